// Clients that are configured for another server: they and the log are told what is wrong.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import messagePack from "socket.io-msgpack-parser";
import { client, next, overEachWay } from "../clients.mjs";
import { startStarter } from "../server.mjs";

const POLLING = "EIO=4&transport=polling";

describe("clients for another server", async () => {
  const server = await startStarter();
  after(() => server.stopSound());
  /** The warnings with this text, of which there is one at least. The log comes a moment after the answer. */
  async function warnings(text) {
    const found = () => server.stderr.split("\n").filter((line) => line.includes(" WARN ") && line.includes(text));
    while (found().length === 0) await next(server.child.stderr, "data");
    return found();
  }

  test("a client on another path is told the right one, and the log is told once", async () => {
    for (const target of ["/socket.io/", `/socket.io/?${POLLING}`, "/socket.io", `/ws?${POLLING}`, "/websockets"]) {
      const response = await fetch(server.url + target);
      assert.equal(response.status, 404, target);
      assert.match(await response.text(), / at \/websockets\/ here/, target);
    }
    assert.equal(await (await fetch(`${server.url}/favicon.ico`)).text(), "");
    const lines = await warnings("/websockets/");
    assert.equal(lines.length, 1, server.stderr);
    assert.match(lines[0], /"\/socket.io\/".*KINGLET_PATH/);
  });

  test("the other way round, too", async (t) => {
    const other = await startStarter({ env: { KINGLET_PATH: "/socket.io/" }, path: "/socket.io" });
    t.after(() => other.stopSound());
    const response = await fetch(`${other.url}/websockets/?${POLLING}`);
    assert.equal(response.status, 404);
    assert.match(await response.text(), / at \/socket\.io\/ here/);
  });

  test("a WebSocket at another path is answered 404, not cut without a word", async (t) => {
    const socket = client(t, server, { transports: ["websocket"] }, { path: "/socket.io/", reconnection: false });
    const [error] = await next(socket, "connect_error");
    assert.match(String(error.description?.message), /Unexpected server response: 404/);
  });

  overEachWay((way) => {
    test("a client that speaks MessagePack is told in MessagePack", async (t) => {
      const socket = client(t, server, way, { parser: messagePack, reconnection: false });
      const [error] = await next(socket, "connect_error");
      assert.match(error.message, /speaks JSON, not MessagePack/);
      assert.equal((await warnings("socket.io-msgpack-parser")).length, 1, server.stderr);
    });
  });
});
