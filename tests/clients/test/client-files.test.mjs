// The client's files, as a page loads them: kinglet's answers beside those of Node's server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Server } from "socket.io";
import { startConformance } from "../server.mjs";

const PATH = "/websockets";
const VARIANTS = ["", ".min", ".esm.min", ".msgpack.min"];
const NAMES = VARIANTS.flatMap((variant) => [`socket.io${variant}.js`, `socket.io${variant}.js.map`]);
const dist = join(dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json")), "dist");

/** The answer to a GET, as it comes. */
async function answer(port, path, headers = {}) {
  const asked = request({ port, host: "127.0.0.1", path, headers });
  asked.end();
  const [response] = await once(asked, "response");
  const body = Buffer.concat(await response.toArray());
  return { status: response.statusCode, headers: response.headers, body };
}

describe("the client's files", () => {
  let kinglet, node, io;
  before(async () => {
    kinglet = await startConformance({ env: { KINGLET_CLIENT: dist, CONFORMANCE_PATH: PATH } });
    const http = createServer((_, response) => response.writeHead(404).end());
    io = new Server(http, { path: PATH });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    node = http.address().port;
  });
  after(async () => {
    await io.close();
    await kinglet.stopSound();
  });

  for (const name of NAMES) {
    test(`${name} is served as Node does`, async () => {
      const [ours, theirs] = await Promise.all([kinglet.port, node].map((port) => answer(port, `${PATH}/${name}?v=1`)));
      assert.deepEqual([ours.status, theirs.status], [200, 200]);
      assert.deepEqual(ours.body, theirs.body);
      for (const header of ["content-type", "cache-control"]) {
        assert.equal(ours.headers[header], theirs.headers[header], header);
      }
      for (const [port, { headers }] of [[kinglet.port, ours], [node, theirs]]) {
        for (const known of [headers.etag, `W/${headers.etag}`]) {
          const again = await answer(port, `${PATH}/${name}`, { "if-none-match": known });
          assert.deepEqual([again.status, again.body.length], [304, 0], known);
        }
      }
    });
  }

  test("what is not the client's is Engine.IO's", async () => {
    for (const path of [`${PATH}/socket.js`, `${PATH}/socket.io.css`]) {
      const answers = await Promise.all([kinglet.port, node].map((port) => answer(port, path)));
      assert.deepEqual(answers.map(({ status }) => status), [400, 400], path);
      assert.deepEqual(answers[0].body, answers[1].body, path);
    }
  });
});
