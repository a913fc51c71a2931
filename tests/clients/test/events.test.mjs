// Events both ways: any JSON, any size, in order, and nothing that harms the server.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  ask, askAll, client, collect, connected, isConnected, next, overEachWay, rawJoined, WAYS,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

const MAX_PAYLOAD = 1_000_000;
const numbered = (count) => Array.from({ length: count }, (_, index) => index);

const ARGUMENTS = {
  "no argument": [],
  "null": [null],
  "booleans": [true, false],
  "integers": [0, -1, 42, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  "fractions": [0.1, -1.5, 1e21, 1e-7, Number.MAX_VALUE, Number.MIN_VALUE],
  "texts": ["", " ", "plain", '"quoted" \\ and / slashes', "line\nbreak\ttab\r\0\b\f"],
  "texts that look like packets": ["42[\"x\"]", "\x1e", "a\x1eb\x1e", "b64", "1", "451-[]", "/custom,"],
  "unicode": ["déjà vu", "日本語テキスト", "👩‍👩‍👧‍👦 🏳️‍🌈", "\u2028\u2029\ufeff\uffff", "עברית العربية", "\u{10ffff}"],
  "unicode in names": [{ "clé": 1, "鍵": { "🔑": [] }, "": "empty", "__proto_": 1, "a b": 2, "\n": 3 }],
  "lists": [[], [[]], [1, [2, [3, [4, [5]]]]], [null, [null]]],
  "objects": [{}, { a: {} }, { a: { b: { c: { d: { e: [1, { f: null }] } } } } }],
  "a placeholder that is data": [{ _placeholder: true, num: 0 }, { _placeholder: false }],
  "many arguments": numbered(200),
};

describe("events", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("the server emits `auth` on connection", async (t) => {
      const socket = client(t, server, way, { auth: { token: "t", n: [1, null] } });
      assert.deepEqual(await next(socket, "auth"), [{ token: "t", n: [1, null] }]);
      const without = client(t, server, way);
      assert.deepEqual(await next(without, "auth"), [{}]);
    });

    test("any JSON comes back as it was sent", async (t) => {
      const socket = await connected(t, server, way);
      for (const [what, args] of Object.entries(ARGUMENTS)) {
        const back = next(socket, "message-back");
        socket.emit("message", ...args);
        assert.deepEqual(await back, args, what);
      }
    });

    test("a lone surrogate comes back", async (t) => {
      const socket = await connected(t, server, way);
      const back = next(socket, "message-back");
      socket.emit("message", "\ud83d", { "\udc00": 1 });
      assert.deepEqual(await back, ["\ud83d", { "\udc00": 1 }]);
    });

    test("deep nesting comes back", async (t) => {
      const socket = await connected(t, server, way);
      let deep = "bottom";
      for (let level = 0; level < 100; level++) deep = level % 2 ? [deep] : { deep };
      const back = next(socket, "message-back");
      socket.emit("message", deep);
      assert.deepEqual(await back, [deep]);
    });

    test("a message as long as the limit comes back", async (t) => {
      const socket = await connected(t, server, way);
      const fits = "x".repeat(MAX_PAYLOAD - '42["message",""]'.length);
      const back = next(socket, "message-back");
      socket.emit("message", fits);
      const [text] = await back;
      assert.equal(text.length, fits.length);
      assert.equal(text, fits);
    });

    test("the limit counts bytes, not characters", async (t) => {
      const socket = await connected(t, server, way);
      const fits = "é".repeat(MAX_PAYLOAD / 2 - 20);
      const back = next(socket, "message-back");
      socket.emit("message", fits);
      assert.equal((await back)[0], fits);
    });

    test("a message over the limit ends the connection, and the client comes back", async (t) => {
      const socket = await connected(t, server, way, { reconnection: true, reconnectionDelay: 10 });
      const lost = next(socket, "disconnect");
      socket.emit("message", "x".repeat(MAX_PAYLOAD + 1));
      const [reason] = await lost;
      assert.ok(["transport close", "transport error"].includes(reason), reason);
      await isConnected(socket);
      assert.deepEqual(await askAll(socket, "message-with-ack", "again"), ["again"]);
    });

    test("a long text from the server is whole", async (t) => {
      const socket = await connected(t, server, way);
      for (const length of [0, 125, 126, 65_535, 65_536, 900_000]) {
        assert.equal(await ask(socket, "big", length), "x".repeat(length), `${length} characters`);
      }
    });

    test("texts of lengths around the frame sizes come back", async (t) => {
      const socket = await connected(t, server, way);
      const frame = '43[""]'.length;
      for (const length of [125, 126, 127, 65_535, 65_536, 65_537].map((size) => size - frame)) {
        const text = "y".repeat(length);
        assert.deepEqual(await askAll(socket, "message-with-ack", text), [text], `${length} characters`);
      }
    });

    test("10,000 messages of one burst arrive in order", async (t) => {
      const socket = await connected(t, server, way);
      const ticks = collect(socket, "tick");
      socket.emit("burst", 10_000, 1, "tick");
      await ticks.until(10_000);
      await ask(socket, "message-with-ack", 0);
      assert.deepEqual(ticks.map(([index]) => index), numbered(10_000));
      assert.ok(ticks.every(([, text]) => text === "x"));
    });

    test("a client's 2,000 messages come back in order", async (t) => {
      const socket = await connected(t, server, way);
      const echoes = collect(socket, "message-back");
      for (const index of numbered(2_000)) socket.emit("message", index);
      await echoes.until(2_000);
      assert.deepEqual(echoes.map(([index]) => index), numbered(2_000));
    });

    test("volatile messages may be dropped, but never repeated or reordered", async (t) => {
      const socket = await connected(t, server, way);
      const ticks = collect(socket, "tick");
      socket.emit("volatile-burst", 1_000, 100, "tick");
      assert.equal(await ask(socket, "message-with-ack", "fence"), "fence");
      const indices = ticks.map(([index]) => index);
      assert.deepEqual(indices, [...new Set(indices)].sort((a, b) => a - b));
      assert.ok(ticks.every(([, text]) => text === "x".repeat(100)));
    });

    test("events emitted before the client is connected arrive in order", async (t) => {
      const socket = client(t, server, way);
      const echoes = collect(socket, "message-back");
      for (const index of numbered(50)) socket.emit("message", index);
      await echoes.until(50);
      assert.deepEqual(echoes.map(([index]) => index), numbered(50));
    });

    test("the handshake is there to read", async (t) => {
      const socket = await connected(t, server, way, {
        auth: { user: "ü" },
        query: { key: "a b&c=é", empty: "" },
        extraHeaders: { "X-Custom": "Value" },
      });
      const handshake = await ask(socket, "handshake");
      assert.deepEqual(handshake.auth, { user: "ü" });
      assert.equal(handshake.query.key, "a b&c=é");
      assert.equal(handshake.query.empty, "");
      assert.equal(handshake.query.EIO, "4");
      assert.equal(handshake.query.transport, way.transports[0]);
      assert.equal(handshake.headers["x-custom"], "Value");
      assert.equal(handshake.headers.host, `127.0.0.1:${server.port}`);
      assert.ok(handshake.url.startsWith("/websockets/?"), handshake.url);
      assert.ok(handshake.url.includes("EIO=4"), handshake.url);
      assert.equal(handshake.secure, false);
      assert.equal(handshake.xdomain, false);
      assert.equal(handshake.transport, way.settled);
    });

    test("a handshake with an Origin is cross-domain", async (t) => {
      const socket = await connected(t, server, way, { extraHeaders: { Origin: "http://elsewhere.example" } });
      assert.equal((await ask(socket, "handshake")).xdomain, true);
    });

    test("wrong arguments are answered with an error, and the server lives on", async (t) => {
      const socket = await connected(t, server, way);
      const wrong = [
        ["join"], ["join", 1], ["join", { a: 1 }], ["leave", null], ["join-many", 3, "x"], ["track", []],
        ["reason", 7], ["to", "not an object", "event"], ["in", { rooms: "a" }, 42], ["io-emit", 1, 2],
        ["request", "soon", "event"], ["burst", "many", {}, null], ["big", "x"], ["bin", [1]],
        ["disconnect-me", "yes"], ["track", Buffer.from([1])],
      ];
      for (const [event, ...args] of wrong) {
        socket.emit(event, ...args);
        const answer = await ask(socket, event, ...args);
        assert.equal(typeof answer?.error, "string", `${event} ${JSON.stringify(args)} got ${JSON.stringify(answer)}`);
      }
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      assert.equal(socket.connected, true);
    });
  });

  test("a client that does not read loses volatile messages, not its connection", async (t) => {
    const socket = await rawJoined(t, server);
    socket.pause();
    socket.send('42["volatile-burst",30000,1000,"tick"]');
    socket.send('420["message-with-ack","fence"]');
    const observer = await connected(t, server, WAYS[2]);
    const seen = next(observer, "seen");
    // The server handles a client's events one after the other: once this one is through, the burst is over.
    socket.send('42["io-emit","/","seen"]');
    await seen;
    socket.resume();
    await socket.packet("430");
    const indices = socket.packets
      .map(([data]) => String(data))
      .filter((text) => text.startsWith('42["tick"'))
      .map((text) => JSON.parse(text.slice(2))[1]);
    assert.deepEqual(indices, [...new Set(indices)].sort((a, b) => a - b));
    assert.ok(indices.length < 30_000, "30 MB cannot have fitted");
    socket.send('421["message-with-ack","alive"]');
    assert.equal(await socket.packet("431"), '431["alive"]');
  });
});
