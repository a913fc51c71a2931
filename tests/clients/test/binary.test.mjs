// Attachments both ways.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ask, askAll, collect, connected, next, overEachWay, severalConnected, settle } from "../clients.mjs";
import { startConformance } from "../server.mjs";

const pattern = (length) => Buffer.from(Array.from({ length }, (_, index) => index % 251));

const ARGUMENTS = {
  "a buffer alone": [Buffer.from([0, 1, 254, 255])],
  "an empty buffer": [Buffer.alloc(0)],
  "all byte values": [Buffer.from(Array.from({ length: 256 }, (_, index) => index))],
  "between texts": ["before", Buffer.from("buffer"), "after", null, 1],
  "at several depths": [Buffer.from([1]), [Buffer.from([2]), [Buffer.from([3])]], { a: { b: [{ c: Buffer.from([4]) }] } }],
  "beside what looks like a placeholder's neighbour": [{ bytes: Buffer.from([1]), num: 0, "ünï": Buffer.from([2]) }],
  "ten attachments": Array.from({ length: 10 }, (_, index) => Buffer.from([index])),
  "bytes that look like packets": [Buffer.from('42["x"]'), Buffer.from([0x1e, 0x1e]), Buffer.from("bAQID")],
};

describe("binary", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("attachments come back at their places", async (t) => {
      const socket = await connected(t, server, way);
      for (const [what, args] of Object.entries(ARGUMENTS)) {
        const back = next(socket, "message-back");
        socket.emit("message", ...args);
        assert.deepEqual(await back, args, what);
      }
    });

    test("the same buffer twice comes back twice", async (t) => {
      const socket = await connected(t, server, way);
      const bytes = Buffer.from([7, 7]);
      assert.deepEqual(await askAll(socket, "message-with-ack", bytes, { again: bytes }), [bytes, { again: bytes }]);
    });

    test("array buffers and typed arrays arrive as bytes", async (t) => {
      const socket = await connected(t, server, way);
      const sent = [new Uint8Array([1, 2]), new Uint8Array([3]).buffer, new Uint16Array([0x0504])];
      const back = await askAll(socket, "message-with-ack", ...sent);
      assert.deepEqual(back, [Buffer.from([1, 2]), Buffer.from([3]), Buffer.from([4, 5])]);
    });

    test("bytes made by the server are whole at any length", async (t) => {
      const socket = await connected(t, server, way);
      for (const length of [0, 1, 2, 3, 125, 126, 127, 65_535, 65_536, 300_000]) {
        const bytes = await ask(socket, "bin", length);
        assert.ok(Buffer.isBuffer(bytes), `${length}: ${typeof bytes}`);
        assert.ok(bytes.equals(pattern(length)), `${length} bytes differ`);
      }
    });

    test("a large attachment of the client comes back", async (t) => {
      const socket = await connected(t, server, way);
      // Base64 makes it a third longer on polling, and it must still fit one message.
      const bytes = pattern(700_000);
      const [back] = await askAll(socket, "message-with-ack", bytes);
      assert.ok(bytes.equals(back));
    });

    test("a structure with binary at several depths arrives", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await ask(socket, "mixed"), {
        a: Buffer.from([1, 2, 3]),
        list: ["x", Buffer.from([4]), { deep: Buffer.alloc(0) }],
        n: null,
      });
    });

    test("text and binary events keep their order", async (t) => {
      const socket = await connected(t, server, way);
      const echoes = collect(socket, "message-back");
      const sent = Array.from({ length: 200 }, (_, index) => {
        if (index % 3 === 0) return [index];
        if (index % 3 === 1) return [index, Buffer.from([index])];
        return [index, [Buffer.from([index]), { b: Buffer.from([index, index]) }]];
      });
      for (const args of sent) socket.emit("message", ...args);
      await echoes.until(sent.length);
      assert.deepEqual([...echoes], sent);
    });

    test("a broadcast carries its attachments to every receiver", async (t) => {
      const sockets = await severalConnected(t, server, way, 4);
      const [sender, ...others] = sockets;
      const logs = others.map((socket) => collect(socket, "bytes"));
      sender.emit("broadcast", "bytes", Buffer.from([1, 2]), { deep: Buffer.from([3]) });
      await settle(sender, sockets);
      for (const log of logs) assert.deepEqual([...log], [[Buffer.from([1, 2]), { deep: Buffer.from([3]) }]]);
    });

    test("broadcasts by many at once never mix their attachments", async (t) => {
      const sockets = await severalConnected(t, server, way, 6);
      const logs = sockets.map((socket) => collect(socket, "bytes"));
      for (let round = 0; round < 20; round++) {
        for (const [index, socket] of sockets.entries()) {
          socket.emit("emit-all", "bytes", index, round, Buffer.from([index, round]), [Buffer.from([round, index])]);
        }
      }
      for (const socket of sockets) await settle(socket, sockets);
      for (const log of logs) {
        assert.equal(log.length, 120);
        const rounds = sockets.map(() => 0);
        for (const [index, round, first, [second]] of log) {
          assert.equal(round, rounds[index]++, "one sender's order");
          assert.deepEqual([first, second], [Buffer.from([index, round]), Buffer.from([round, index])]);
        }
      }
    });

    test("eleven attachments are one too many: the connection ends", async (t) => {
      const socket = await connected(t, server, way);
      const lost = next(socket, "disconnect");
      socket.emit("message", ...Array.from({ length: 11 }, (_, index) => Buffer.from([index])));
      assert.equal((await lost)[0], "transport close");
    });
  });
});
