// Clients of Socket.IO 2 beside current ones, where the server allows them.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import * as today from "../clients.mjs";
import { ask, askAll, collect, farewell, next, overEachWay, request, settle } from "../clients.mjs";
import { alsoIn, client, connected } from "../clients-v2.mjs";
import { startConformance } from "../server.mjs";

const pattern = (length) => Buffer.from(Array.from({ length }, (_, index) => index % 251));

let names = 0;
const unique = (name) => `${name}-${++names}`;

describe("2.x clients", async () => {
  const server = await startConformance({ env: { CONFORMANCE_EIO3: "1" } });
  after(() => server.stopSound());

  overEachWay((way) => {
    test("connect and are greeted, with an id that both sides know", async (t) => {
      const socket = client(t, server, way);
      const greeting = next(socket, "auth");
      await next(socket, "connect");
      assert.deepEqual(await greeting, [{}]);
      const who = await ask(socket, "whoami");
      assert.deepEqual([who.id, who.nsp], [socket.id, "/"]);
      assert.equal((await ask(socket, "handshake")).query.EIO, "3");
    });

    test("events keep their arguments and their order", async (t) => {
      const socket = await connected(t, server, way);
      const echoes = collect(socket, "message-back");
      const sent = Array.from({ length: 100 }, (_, index) => [index, "é€🎉", { list: [null, true, 1.5] }]);
      for (const args of sent) socket.emit("message", ...args);
      await echoes.until(sent.length);
      assert.deepEqual([...echoes], sent);
    });

    test("acknowledgements go both ways", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await askAll(socket, "message-with-ack", 1, "two", [3]), [1, "two", [3]]);
      socket.on("question", (number, answer) => answer(number + 1, Buffer.from([number])));
      assert.deepEqual(await ask(socket, "request", 5_000, "question", 41), [null, 42, Buffer.from([41])]);
      assert.deepEqual(await ask(socket, "request", 50, "nobody-answers"), ["operation has timed out"]);
    });

    test("binary goes both ways at any length and depth", async (t) => {
      const socket = await connected(t, server, way);
      for (const length of [0, 1, 3, 125, 126, 65_535, 65_536, 300_000]) {
        assert.ok((await ask(socket, "bin", length)).equals(pattern(length)), `${length} bytes differ`);
      }
      const sent = ["before", Buffer.from([0, 1, 255]), { deep: [Buffer.from([2]), pattern(500_000)] }, "é🎉"];
      assert.deepEqual(await askAll(socket, "message-with-ack", ...sent), sent);
    });

    test("text and binary keep their order", async (t) => {
      const socket = await connected(t, server, way);
      const echoes = collect(socket, "message-back");
      const sent = Array.from({ length: 100 }, (_, index) => (index % 2 ? [index] : [index, Buffer.from([index])]));
      for (const args of sent) socket.emit("message", ...args);
      await echoes.until(sent.length);
      assert.deepEqual([...echoes], sent);
    });

    test("a namespace takes the query for the auth", async (t) => {
      const socket = await connected(t, server, way);
      const custom = await alsoIn(socket, "/custom", { query: { token: "a b&c", x: "1" } });
      assert.deepEqual((await ask(custom, "handshake")).auth, { token: "a b&c", x: "1" });
      const who = await ask(custom, "whoami");
      assert.deepEqual([who.id, who.nsp], [custom.id, "/custom"]);
      assert.equal(custom.id, `/custom#${socket.id}`);
      assert.deepEqual(await askAll(custom, "message-with-ack", Buffer.from([1])), [Buffer.from([1])]);
    });

    test("a refusal is an error with the data of the middleware", async (t) => {
      const socket = await connected(t, server, way);
      const auth = socket.io.socket("/auth", { query: { token: "wrong" } });
      assert.deepEqual(await next(auth, "error"), [{ code: "E_AUTH", retry: false }]);
      const unknown = socket.io.socket("/nope");
      assert.deepEqual(await next(unknown, "error"), [{ message: "Invalid namespace" }]);
      assert.equal(socket.connected, true);
    });

    test("rooms are shared with current clients, binary included", async (t) => {
      const room = unique("room");
      const [first, second, modern] = await Promise.all([
        connected(t, server, way),
        connected(t, server, way),
        today.connected(t, server, way),
      ]);
      const sockets = [first, second, modern];
      for (const socket of [first, modern]) await ask(socket, "join", room);
      const logs = sockets.map((socket) => collect(socket, "news"));
      second.emit("to", { rooms: room }, "news", "from 2.x", Buffer.from([1, 2]));
      modern.emit("in", { rooms: room }, "news", "from today", Buffer.from([3]));
      await settle(second, sockets);
      await settle(modern, sockets);
      const sorted = logs.map((log) => [...log].sort(([a], [b]) => (a < b ? -1 : 1)));
      const both = [["from 2.x", Buffer.from([1, 2])], ["from today", Buffer.from([3])]];
      assert.deepEqual(sorted, [both, [], both]);
    });

    test("an id is a room in its namespace", async (t) => {
      const [socket, other] = await Promise.all([connected(t, server, way), connected(t, server, way)]);
      const [custom, otherCustom] = await Promise.all([alsoIn(socket, "/custom"), alsoIn(other, "/custom")]);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      for (const [sender, receiver] of [[other, socket], [otherCustom, custom]]) {
        const heard = next(receiver, "whisper");
        sender.emit("to", { rooms: receiver.id }, "whisper", "psst");
        assert.deepEqual(await heard, ["psst"]);
      }
    });

    test("either side ends it", async (t) => {
      const observer = await today.connected(t, server, way);
      for (const [end, reason, seen] of [
        [(socket) => socket.emit("disconnect-me", false), "io server disconnect", "server namespace disconnect"],
        [(socket) => socket.disconnect(), "io client disconnect", "client namespace disconnect"],
      ]) {
        const key = unique("gone");
        const socket = await connected(t, server, way);
        await ask(socket, "track", key);
        const gone = farewell(observer, key);
        const lost = next(socket, "disconnect");
        const { id } = socket;
        end(socket);
        assert.deepEqual(await lost, [reason]);
        const { rooms, reasons } = await gone;
        assert.deepEqual(rooms, [id]);
        assert.deepEqual(reasons, [seen]);
      }
    });
  });

  test("clients that cannot take binary get base64", async (t) => {
    for (const way of today.WAYS) {
      const socket = await connected(t, server, way, { forceBase64: true });
      assert.deepEqual(await askAll(socket, "message-with-ack", Buffer.from([1, 2])), [Buffer.from([1, 2])]);
    }
  });
});

test("2.x clients live by their own pings", async (t) => {
  const server = await startConformance({
    env: { CONFORMANCE_EIO3: "1", CONFORMANCE_PING_INTERVAL: "100", CONFORMANCE_PING_TIMEOUT: "1500" },
  });
  t.after(() => server.stopSound());
  for (const way of today.WAYS) {
    const socket = await connected(t, server, way);
    // Longer than one interval and one timeout.
    await collect(socket, "pong").until(18);
    assert.equal(socket.connected, true);
  }
});

test("2.x clients are refused where they are not allowed", async (t) => {
  const server = await startConformance();
  t.after(() => server.stopSound());
  const response = await request(server, "EIO=3&transport=polling");
  assert.deepEqual([response.status, (await response.json()).code], [400, 5]);
  for (const way of today.WAYS) await next(client(t, server, way), "connect_error");
});
