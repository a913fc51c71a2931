// Rooms, and the receivers of broadcasts. Each test has rooms of its own. A fence, a last event of the sender, proves
// that all earlier ones have arrived, so a client that heard nothing got nothing.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ask, collect, connected, farewell, next, overEachWay, settle, severalConnected } from "../clients.mjs";
import { startConformance } from "../server.mjs";

let names = 0;
const unique = (name) => `${name}-${++names}`;

describe("rooms", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("a socket is in the room of its id from the start", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
    });

    test("joining and leaving", async (t) => {
      const socket = await connected(t, server, way);
      const sorted = (...rooms) => [socket.id, ...rooms].sort();
      assert.deepEqual(await ask(socket, "join", "b"), sorted("b"));
      assert.deepEqual(await ask(socket, "join", ["a", "ü 🏠", "b", ""]), sorted("", "a", "b", "ü 🏠"));
      assert.deepEqual(await ask(socket, "leave", "b"), sorted("", "a", "ü 🏠"));
      assert.deepEqual(await ask(socket, "leave", "never joined"), sorted("", "a", "ü 🏠"));
      assert.deepEqual(await ask(socket, "join", []), sorted("", "a", "ü 🏠"));
      assert.equal(await ask(socket, "join-many", "many", 100), 100);
      assert.equal((await ask(socket, "rooms")).length, 104);
    });

    /** Four clients: a and b in one room, b and c in another, d in none; with the "news" that each hears. */
    async function neighbours(t) {
      const [a, b, c, d] = await severalConnected(t, server, way, 4);
      const [one, two] = [unique("one"), unique("two")];
      await Promise.all([ask(a, "join", one), ask(b, "join", [one, two]), ask(c, "join", two)]);
      const all = [a, b, c, d];
      const logs = all.map((socket) => collect(socket, "news"));
      /** Emits from a and returns which of the four heard it. Hearing it twice is a failure. */
      const reach = async (...emission) => {
        for (const log of logs) log.length = 0;
        a.emit(...emission);
        await settle(a, all.filter((socket) => socket.connected));
        assert.ok(logs.every((log) => log.length <= 1), `heard ${logs.map((log) => log.length)} times`);
        return logs.map((log, index) => (log.length ? "abcd"[index] : "")).join("");
      };
      return { a, b, c, d, one, two, reach };
    }

    test("`broadcast` reaches everyone but the sender", async (t) => {
      const { reach } = await neighbours(t);
      assert.equal(await reach("broadcast", "news", 1), "bcd");
    });

    test("`emit-all` reaches everyone", async (t) => {
      const { reach } = await neighbours(t);
      assert.equal(await reach("emit-all", "news", 1), "abcd");
    });

    test("`io-emit` reaches everyone of the namespace it names", async (t) => {
      const { reach } = await neighbours(t);
      assert.equal(await reach("io-emit", "/", "news", 1), "abcd");
      assert.equal(await reach("io-emit", "/custom", "news", 1), "");
    });

    test("`to` leaves the sender out, and reaches a member of two rooms once", async (t) => {
      const { b, c, one, two, reach } = await neighbours(t);
      assert.equal(await reach("to", { rooms: one }, "news", 1), "b");
      assert.equal(await reach("to", { rooms: two }, "news", 1), "bc");
      assert.equal(await reach("to", { rooms: [one, two] }, "news", 1), "bc");
      assert.equal(await reach("to", {}, "news", 1), "bcd");
      assert.equal(await reach("to", { rooms: c.id }, "news", 1), "c");
      assert.equal(await reach("to", { rooms: [b.id, one, two, c.id] }, "news", 1), "bc");
    });

    test("`in` reaches the sender too, and a member of two rooms once", async (t) => {
      const { a, one, two, reach } = await neighbours(t);
      assert.equal(await reach("in", { rooms: one }, "news", 1), "ab");
      assert.equal(await reach("in", { rooms: two }, "news", 1), "bc");
      assert.equal(await reach("in", { rooms: [one, two] }, "news", 1), "abc");
      assert.equal(await reach("in", {}, "news", 1), "abcd");
      assert.equal(await reach("in", { rooms: a.id }, "news", 1), "a");
    });

    test("`except` wins over `to`", async (t) => {
      const { b, d, one, two, reach } = await neighbours(t);
      assert.equal(await reach("in", { except: one }, "news", 1), "cd");
      assert.equal(await reach("in", { except: [one, two] }, "news", 1), "d");
      assert.equal(await reach("in", { rooms: [one, two], except: one }, "news", 1), "c");
      assert.equal(await reach("in", { rooms: [one, two], except: b.id }, "news", 1), "ac");
      assert.equal(await reach("in", { rooms: one, except: one }, "news", 1), "");
      assert.equal(await reach("to", { except: d.id }, "news", 1), "bc");
      assert.equal(await reach("to", { rooms: two, except: [b.id, "empty"] }, "news", 1), "c");
    });

    test("an empty room reaches nobody", async (t) => {
      const { reach } = await neighbours(t);
      assert.equal(await reach("in", { rooms: "nobody is here" }, "news", 1), "");
      assert.equal(await reach("in", { rooms: ["nobody is here", "nor here"] }, "news", 1), "");
    });

    test("`local` reaches this server's clients", async (t) => {
      const { one, reach } = await neighbours(t);
      assert.equal(await reach("in", { rooms: one, local: true }, "news", 1), "ab");
    });

    test("a socket that left a room does not hear it", async (t) => {
      const { b, one, reach } = await neighbours(t);
      await ask(b, "leave", one);
      assert.equal(await reach("in", { rooms: one }, "news", 1), "a");
      await ask(b, "join", one);
      assert.equal(await reach("in", { rooms: one }, "news", 1), "ab");
    });

    test("a socket that disconnected is in no room, and comes back to none", async (t) => {
      const { b, one, reach, a } = await neighbours(t);
      assert.equal(await ask(b, "track", one), "ok");
      const seen = farewell(a, one);
      b.disconnect();
      await seen;
      assert.ok(!(await ask(a, "all-rooms")).includes(b.id));
      const again = await connected(t, server, way);
      const heard = collect(again, "news");
      assert.equal(await reach("to", { rooms: one }, "news", 1), "");
      await settle(a, [again]);
      assert.deepEqual([...heard], []);
    });

    test("a room lives as long as it has members", async (t) => {
      const [a, b] = await severalConnected(t, server, way, 2);
      const room = unique("short-lived");
      const exists = async () => (await ask(a, "all-rooms")).includes(room);
      assert.equal(await exists(), false);
      await Promise.all([ask(a, "join", room), ask(b, "join", room)]);
      assert.equal(await exists(), true);
      await ask(b, "leave", room);
      assert.equal(await exists(), true);
      await ask(a, "leave", room);
      assert.equal(await exists(), false);
    });

    test("a broadcast carries all its arguments", async (t) => {
      const [a, b] = await severalConnected(t, server, way, 2);
      const args = [1, "zwei", { drei: [3, null] }, Buffer.from([4]), true];
      const news = next(b, "news");
      a.emit("to", { rooms: b.id }, "news", ...args);
      assert.deepEqual(await news, args);
    });

    test("broadcasts of one sender arrive in order, whatever selects the receivers", async (t) => {
      const sockets = await severalConnected(t, server, way, 5);
      const [sender, ...others] = sockets;
      const room = unique("ordered");
      await Promise.all(others.map((socket) => ask(socket, "join", room)));
      const logs = others.map((socket) => collect(socket, "news"));
      for (let index = 0; index < 200; index++) {
        if (index % 4 === 0) sender.emit("broadcast", "news", index);
        if (index % 4 === 1) sender.emit("to", { rooms: room }, "news", index);
        if (index % 4 === 2) sender.emit("emit-all", "news", index, Buffer.from([index]));
        if (index % 4 === 3) sender.emit("in", { rooms: others.map(({ id }) => id) }, "news", index);
      }
      await settle(sender, sockets);
      const expected = Array.from({ length: 200 }, (_, index) => index);
      for (const log of logs) assert.deepEqual(log.map(([index]) => index), expected);
    });

    test("a flood reaches the selected, all of it, in order", async (t) => {
      const sockets = await severalConnected(t, server, way, 5);
      const [sender, ...others] = sockets;
      const room = unique("flooded");
      await Promise.all(others.slice(0, 3).map((socket) => ask(socket, "join", room)));
      const logs = sockets.map((socket) => collect(socket, "drop"));
      sender.emit("flood", { rooms: room }, 500, 100, "drop");
      await settle(sender, sockets);
      const expected = Array.from({ length: 500 }, (_, index) => [index, "x".repeat(100)]);
      assert.deepEqual(logs.map((log) => log.length), [0, 500, 500, 500, 0]);
      for (const log of logs.slice(1, 4)) assert.deepEqual([...log], expected);
    });
  });

  test("members of a room hear each other whatever transport they are on", async (t) => {
    const room = unique("mixed");
    const sockets = (await Promise.all(
      [["polling"], ["websocket"], ["polling", "websocket"]].map((transports) =>
        severalConnected(t, server, { transports, settled: transports.at(-1) }, 2)),
    )).flat();
    await Promise.all(sockets.map((socket) => ask(socket, "join", room)));
    const logs = sockets.map((socket) => collect(socket, "news"));
    for (const [index, socket] of sockets.entries()) socket.emit("to", { rooms: room }, "news", index, Buffer.from([index]));
    for (const socket of sockets) await settle(socket, sockets);
    for (const [own, log] of logs.entries()) {
      const heard = [...log].sort(([a], [b]) => a - b);
      assert.deepEqual(heard, sockets.map((_, index) => [index, Buffer.from([index])]).filter(([index]) => index !== own));
    }
  });
});
