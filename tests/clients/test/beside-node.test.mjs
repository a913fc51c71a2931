// Bare requests of proxies and browsers, sent to kinglet and to Node's own server: both give the same answer.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { Server } from "socket.io";
import { startConformance } from "../server.mjs";

const TARGET = "/socket.io/?EIO=4&transport=";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket";
const KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

const REQUESTS = {
  "a WebSocket over HTTP/1.0": `GET ${TARGET}websocket HTTP/1.0\r\nHost: h\r\n${UPGRADE}\r\n${KEY}`,
  "one without a Host": `GET ${TARGET}websocket HTTP/1.0\r\n${UPGRADE}\r\n${KEY}`,
  "one without the Connection header": `GET ${TARGET}websocket HTTP/1.0\r\nHost: h\r\nUpgrade: websocket\r\n${KEY}`,
  "an expectation that cannot be met": `GET ${TARGET}polling HTTP/1.1\r\nHost: h\r\nExpect: x`,
  "one on another path": "GET /elsewhere HTTP/1.1\r\nHost: h\r\nExpect: x",
  "an empty one": `GET ${TARGET}polling HTTP/1.1\r\nHost: h\r\nExpect:`,
  "one of several that can be met": `GET ${TARGET}polling&sid=none HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: x, 100-continue`,
  "one over HTTP/1.0": `GET ${TARGET}polling&sid=none HTTP/1.0\r\nHost: h\r\nExpect: x`,
  "one with an upgrade": `GET ${TARGET}websocket HTTP/1.1\r\nHost: h\r\n${UPGRADE}\r\n${KEY}\r\nExpect: x`,
  "a preflight with two lines of headers":
    `OPTIONS ${TARGET}polling HTTP/1.1\r\nHost: h\r\nOrigin: http://a.test\r\n` +
    "Access-Control-Request-Headers: x-a\r\nAccess-Control-Request-Headers: x-b, x-c",
};

const COMPARED = /^(upgrade|sec-websocket-accept|access-control-.*|content-type): /i;

/** The final answer's status and the headers that clients act on. */
async function answered(port, request) {
  const socket = connect(port, "127.0.0.1");
  socket.end(`${request}\r\n\r\n`);
  let text = "";
  for await (const chunk of socket) {
    text = (text + chunk.toString("latin1")).replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "");
    if (text.includes("\r\n\r\n")) break;
  }
  const [status, ...headers] = text.split("\r\n\r\n")[0].split("\r\n");
  return { status, headers: headers.filter((line) => COMPARED.test(line)).sort() };
}

describe("beside Node's server", () => {
  let kinglet, http, io;
  before(async () => {
    kinglet = await startConformance({ env: { CONFORMANCE_PATH: "/socket.io/" } });
    http = createServer((_, answer) => answer.writeHead(404).end());
    io = new Server(http, { cors: { origin: "*" } });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
  });
  after(async () => {
    await kinglet.stopSound();
    http.closeAllConnections();
    await io.close();
  });

  for (const [title, request] of Object.entries(REQUESTS)) {
    test(`the same answer: ${title}`, async () => {
      assert.deepEqual(await answered(kinglet.port, request), await answered(http.address().port, request));
    });
  }
});
