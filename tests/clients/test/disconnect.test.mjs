// How connections end, and which reason each side gives.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  alsoIn, ask, askAll, client, collect, connected, farewell, isConnected, isSettled, next, overEachWay, pollingJoined,
  rawJoined, request, WAYS,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

const [, , WEBSOCKET] = WAYS;
let keys = 0;

describe("disconnection", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    /** A tracked client, an observer, and a promise of the reason that the observer will learn. */
    async function tracked(t, options) {
      const key = `key-${++keys}`;
      const observer = await connected(t, server, WEBSOCKET);
      const socket = await connected(t, server, way, options);
      assert.equal(await ask(socket, "track", key), "ok");
      const seen = farewell(observer, key);
      seen.catch(() => {});
      return { key, observer, socket, seen, lost: next(socket, "disconnect") };
    }

    test("the client leaves", async (t) => {
      const { socket, seen, lost } = await tracked(t);
      socket.disconnect();
      assert.deepEqual((await lost)[0], "io client disconnect");
      assert.deepEqual((await seen).reasons, ["client namespace disconnect"]);
    });

    test("the client leaves one namespace of two", async (t) => {
      const { socket, seen } = await tracked(t);
      const custom = await alsoIn(socket, "/custom");
      socket.disconnect();
      assert.deepEqual((await seen).reasons, ["client namespace disconnect"]);
      assert.deepEqual(await askAll(custom, "message-with-ack", "still here"), ["still here"]);
    });

    test("the client closes its connection", async (t) => {
      const { socket, seen } = await tracked(t);
      socket.io.engine.close();
      assert.deepEqual((await seen).reasons, ["transport close"]);
    });

    test("rooms are still there while the socket disconnects, and gone afterwards", async (t) => {
      const { key, observer, socket, seen } = await tracked(t);
      await ask(socket, "join", [`${key}-b`, `${key}-a`]);
      const { id } = socket;
      socket.disconnect();
      assert.deepEqual((await seen).rooms, [id, `${key}-a`, `${key}-b`].sort());
      const rooms = await ask(observer, "all-rooms");
      assert.deepEqual(rooms.filter((room) => room === id || room.startsWith(`${key}-`)), []);
    });

    test("the server disconnects a socket, the connection stays for the other namespaces", async (t) => {
      const { socket, seen, lost } = await tracked(t);
      const custom = await alsoIn(socket, "/custom");
      const session = socket.io.engine.id;
      socket.emit("disconnect-me", false);
      assert.equal((await lost)[0], "io server disconnect");
      assert.deepEqual((await seen).reasons, ["server namespace disconnect"]);
      assert.deepEqual(await askAll(custom, "message-with-ack", "still here"), ["still here"]);
      socket.connect();
      await isConnected(socket);
      assert.equal(socket.io.engine.id, session);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
    });

    test("the server disconnects a socket and closes: every namespace is told", async (t) => {
      const { socket, seen, lost } = await tracked(t);
      const custom = await alsoIn(socket, "/custom");
      const lostToo = next(custom, "disconnect");
      socket.emit("disconnect-me", true);
      assert.equal((await lost)[0], "io server disconnect");
      assert.equal((await lostToo)[0], "io server disconnect");
      assert.deepEqual((await seen).reasons, ["server namespace disconnect"]);
    });

    test("a client the server disconnected does not come back by itself, but may by hand", async (t) => {
      const { socket, lost } = await tracked(t, { reconnection: true, reconnectionDelay: 1 });
      const attempts = collect(socket.io, "reconnect_attempt");
      socket.emit("disconnect-me", true);
      assert.equal((await lost)[0], "io server disconnect");
      const first = socket.id;
      socket.connect();
      await Promise.all([isConnected(socket), isSettled(socket, way)]);
      assert.notEqual(socket.id, first);
      assert.deepEqual(await askAll(socket, "message-with-ack", "back"), ["back"]);
      assert.deepEqual([...attempts], []);
    });

    test("an event emitted just before the disconnection still arrives", async (t) => {
      const { socket, lost } = await tracked(t);
      const echoes = collect(socket, "message-back");
      for (let index = 0; index < 50; index++) socket.emit("message", index);
      socket.emit("disconnect-me", true);
      await lost;
      assert.deepEqual(echoes.map(([index]) => index), Array.from({ length: 50 }, (_, index) => index));
    });

    test("a disconnected socket's broadcasts and questions end with it", async (t) => {
      const { observer, socket, seen } = await tracked(t);
      socket.on("question", () => socket.disconnect());
      socket.emit("request", 100, "question", () => assert.fail("an answer after the end"));
      assert.deepEqual((await seen).reasons, ["client namespace disconnect"]);
      assert.deepEqual(await ask(observer, "request", 50, "unanswered"), ["operation has timed out"]);
    });

    test("an Engine.IO packet of an unknown type ends the session: parse error", async (t) => {
      const { socket, seen, lost } = await tracked(t);
      if (way.settled === "websocket") socket.io.engine.transport.ws.send("abc");
      else await request(server, `EIO=4&transport=polling&sid=${socket.io.engine.id}`, { method: "POST", body: "abc" });
      assert.deepEqual((await seen).reasons, ["parse error"]);
      const [reason] = await lost;
      assert.ok(["transport close", "transport error"].includes(reason), reason);
    });

    for (const [what, packet] of [
      ["a packet that is no Socket.IO packet", "abc"],
      ["broken JSON", '2["message"'],
      ["an event with a reserved name", '2["disconnect"]'],
      ["a second CONNECT to the same namespace", "0"],
      ["an event for a namespace that was not joined", '2/custom,["message"]'],
      ["a CONNECT_ERROR of the client", '4{"message":"no"}'],
    ]) {
      test(`${what} ends the session: forced close`, async (t) => {
        const { socket, seen, lost } = await tracked(t);
        socket.io.engine.send(packet);
        assert.equal((await lost)[0], "transport close");
        const { reasons } = await seen;
        const expected = way.settled === "polling" ? ["forced close", "forced server close"] : ["forced close"];
        assert.ok(reasons.length === 1 && expected.includes(reasons[0]), JSON.stringify(reasons));
      });
    }
  });

  test("a WebSocket that is cut leaves with a transport close", async (t) => {
    const observer = await connected(t, server, WEBSOCKET);
    const seen = farewell(observer, "cut");
    const socket = await rawJoined(t, server);
    socket.send('420["track","cut"]');
    await socket.packet("430");
    socket.terminate();
    assert.deepEqual((await seen).reasons, ["transport close"]);
  });

  test("a poll that is cut leaves with a transport error", async (t) => {
    const observer = await connected(t, server, WEBSOCKET);
    const seen = farewell(observer, "cut poll");
    const { post, poll } = await pollingJoined(server);
    await post('420["track","cut poll"]');
    assert.equal(await poll(), '430["ok"]');
    const abort = new AbortController();
    const held = poll({ signal: abort.signal });
    // Once a later request is answered, this one has been sent for sure.
    await post('42["no-such-event"]');
    abort.abort();
    await assert.rejects(held, { name: "AbortError" });
    assert.deepEqual((await seen).reasons, ["transport error"]);
  });

  test("clients that come and go at once leave nothing behind", async (t) => {
    const observer = await connected(t, server, WEBSOCKET);
    for (let wave = 0; wave < 3; wave++) {
      await Promise.all(WAYS.flatMap((way) => Array.from({ length: 10 }, async () => {
        const key = `wave-${++keys}`;
        const socket = client(t, server, way);
        await isConnected(socket);
        await ask(socket, "track", key);
        await ask(socket, "join-many", key, 20);
        const seen = farewell(observer, key);
        socket.disconnect();
        await seen;
      })));
    }
    const rooms = await ask(observer, "all-rooms");
    assert.deepEqual(rooms.filter((room) => room.startsWith("wave-")), []);
  });
});
