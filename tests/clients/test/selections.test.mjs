// Many sockets at once: acknowledgements of broadcasts, sockets looked up, moved between rooms, disconnected.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { alsoIn, ask, collect, connected, next, overEachWay, settle, severalConnected } from "../clients.mjs";
import { startConformance } from "../server.mjs";

let names = 0;
const unique = (name) => `${name}-${++names}`;

describe("selections", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    /** Clients that share a room. */
    async function roommates(t, count) {
      const room = unique("room");
      const sockets = await severalConnected(t, server, way, count);
      await Promise.all(sockets.map((socket) => ask(socket, "join", room)));
      return { room, sockets };
    }

    test("a broadcast collects all answers, binary too", async (t) => {
      const { room, sockets } = await roommates(t, 3);
      sockets.forEach((socket, index) => socket.on("question", (bytes, answer) => answer([index, bytes], "second")));
      const [error, answers] = await ask(sockets[0], "broadcast-ack", { rooms: room, timeout: 10_000 }, "question", Buffer.from([7]));
      assert.equal(error, null);
      assert.deepEqual(answers.sort(([a], [b]) => a - b), sockets.map((_, index) => [index, Buffer.from([7])]));
    });

    test("a broadcast to nobody has no answers at once", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await ask(socket, "broadcast-ack", { rooms: unique("empty"), timeout: 60_000 }, "question"), [null, []]);
    });

    test("a client that does not answer in time is left out", async (t) => {
      const { room, sockets } = await roommates(t, 3);
      sockets[0].on("question", (answer) => answer("yes"));
      sockets[1].on("question", () => {});
      sockets[2].on("question", () => sockets[2].disconnect());
      const answer = await ask(sockets[0], "broadcast-ack", { rooms: room, timeout: 300 }, "question");
      assert.deepEqual(answer, ["operation has timed out", ["yes"]]);
    });

    test("sockets are found with rooms, data and auth", async (t) => {
      const room = unique("room");
      const one = await connected(t, server, way, { auth: { name: "one" } });
      const other = await connected(t, server, way);
      await Promise.all([one, other].map((socket) => ask(socket, "join", room)));
      await ask(one, "set-data", { level: 3 });
      const expected = [
        { id: one.id, rooms: [one.id, room].sort(), data: { level: 3 }, auth: { name: "one" } },
        { id: other.id, rooms: [other.id, room].sort(), data: {}, auth: {} },
      ].sort((a, b) => (a.id < b.id ? -1 : 1));
      assert.deepEqual(await ask(other, "fetch-sockets", { rooms: room }), expected);
      assert.deepEqual(await ask(other, "fetch-sockets", { rooms: room, except: [one.id, other.id] }), []);
    });

    test("a selection joins and leaves", async (t) => {
      const { room, sockets } = await roommates(t, 3);
      const added = unique("added");
      assert.equal(await ask(sockets[0], "sockets-join", { rooms: room, except: sockets[2].id }, added), "ok");
      await settle(sockets[0], sockets);
      assert.deepEqual(await ask(sockets[1], "rooms"), [sockets[1].id, room, added].sort());
      assert.deepEqual(await ask(sockets[2], "rooms"), [sockets[2].id, room].sort());
      assert.equal(await ask(sockets[0], "sockets-leave", { rooms: added }, room), "ok");
      await settle(sockets[0], sockets);
      assert.deepEqual(await ask(sockets[1], "rooms"), [sockets[1].id, added].sort());
      assert.deepEqual(await ask(sockets[2], "rooms"), [sockets[2].id, room].sort());
    });

    for (const close of [false, true]) {
      test(`a selection is disconnected, ${close ? "and its connections" : "its connections stay"}`, async (t) => {
        const { room, sockets } = await roommates(t, 2);
        const observer = await connected(t, server, way);
        const custom = await Promise.all(sockets.map((socket) => alsoIn(socket, "/custom")));
        const left = sockets.map((socket) => next(socket, "disconnect"));
        const closed = close && sockets.map((socket) => next(socket.io, "close"));
        assert.equal(await ask(observer, "disconnect-sockets", { rooms: room }, close), "ok");
        for (const [reason] of await Promise.all(left)) assert.equal(reason, "io server disconnect");
        if (close) await Promise.all(closed);
        else for (const socket of custom) assert.equal((await ask(socket, "whoami")).id, socket.id);
      });
    }

    test("a selection's answers do not mix with other acknowledgements", async (t) => {
      const { room, sockets } = await roommates(t, 2);
      for (const socket of sockets) socket.on("question", (value, answer) => answer(value));
      const log = collect(sockets[1], "question");
      const rounds = await Promise.all(
        Array.from({ length: 20 }, (_, index) => Promise.all([
          ask(sockets[0], "broadcast-ack", { rooms: room, timeout: 10_000 }, "question", index),
          ask(sockets[1], "request", 10_000, "question", index),
        ])),
      );
      for (const [index, [many, one]] of rounds.entries()) {
        assert.deepEqual(many, [null, [index, index]]);
        assert.deepEqual(one, [null, index]);
      }
      assert.equal(log.length, 40);
    });
  });
});
