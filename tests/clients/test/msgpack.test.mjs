// Clients with `socket.io-msgpack-parser`, at a server whose parser is MessagePack.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Server } from "socket.io";
import parser from "socket.io-msgpack-parser";
import {
  alsoIn, ask, askAll, client, collect, connected, farewell, isConnected, next, overEachWay, pollingSession, request, settle,
  severalConnected, WAYS,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

const ENV = { CONFORMANCE_PARSER: "msgpack", RUST_LOG: "warn" };
const PARSER = { parser };

const ARGUMENTS = [
  [],
  ["text", "", "é🎉\n\"\\", "x".repeat(100_000)],
  [0, 1, 127, 128, 65_536, 4_294_967_296, 2 ** 53 - 1, -1, -33, -32_769, -(2 ** 53) + 1, 0.5, -0.25],
  [true, false, null, [], {}, [[], [{}]], { a: { b: [1, { c: null }] } }],
  [Array.from({ length: 70_000 }, (_, index) => index % 300)],
  [Buffer.alloc(0), Buffer.from([1, 2]), { deep: [Buffer.alloc(70_000, 7), "text"] }, "end"],
  [{ _placeholder: true, num: 0 }, { _placeholder: 1, num: 0 }],
];

describe("MessagePack", async () => {
  const server = await startConformance({ env: ENV });
  after(() => server.stopSound());

  overEachWay((way) => {
    test("arguments come back as they were sent", async (t) => {
      const socket = await connected(t, server, way, PARSER);
      for (const args of ARGUMENTS) {
        const back = next(socket, "message-back");
        socket.emit("message", ...args);
        assert.deepEqual(await back, args);
        assert.deepEqual(await askAll(socket, "give", ...args), args);
      }
    });

    test("authentication data is read, and a refusal has its data", async (t) => {
      const auth = { token: "no", deep: [null, { a: 1 }] };
      const refused = client(t, server, way, { ...PARSER, nsp: "/auth", auth });
      const [error] = await next(refused, "connect_error");
      assert.deepEqual([error.message, error.data], ["not authorized", { code: "E_AUTH", retry: false }]);
      const socket = await connected(t, server, way, { ...PARSER, nsp: "/auth", auth: { token: "secret" } });
      assert.deepEqual((await ask(socket, "handshake")).auth, { token: "secret" });
      const other = socket.io.socket("/nowhere");
      assert.equal((await next(other, "connect_error"))[0].message, "Invalid namespace");
    });

    test("errors are told, and questions answered both ways", async (t) => {
      const socket = await connected(t, server, way, PARSER);
      assert.deepEqual(await ask(socket, "fail", "why"), { error: "why" });
      socket.on("question", (bytes, answer) => answer({ back: Buffer.from(bytes).reverse() }));
      const answer = await ask(socket, "request", 10_000, "question", Buffer.from([1, 2]));
      assert.deepEqual(answer, [null, { back: Buffer.from([2, 1]) }]);
      const numbers = Array.from({ length: 300 }, (_, index) => index);
      assert.deepEqual(await Promise.all(numbers.map((number) => ask(socket, "message-with-ack", number))), numbers);
    });

    test("a broadcast reaches rooms and namespaces, with its binary data", async (t) => {
      const sockets = await severalConnected(t, server, way, 3, PARSER);
      const [sender, member, outsider] = sockets;
      await ask(member, "join", "msgpack");
      const heard = sockets.map((socket) => collect(socket, "news"));
      sender.emit("to", { rooms: "msgpack" }, "news", 1, Buffer.from([2]));
      await settle(sender, sockets);
      assert.deepEqual(heard.map((news) => [...news]), [[], [[1, Buffer.from([2])]], []]);
      const other = await alsoIn(outsider, "/custom");
      const greeting = next(other, "hello");
      sender.emit("io-emit", "/custom", "hello", Buffer.from([3]));
      assert.deepEqual(await greeting, [Buffer.from([3])]);
    });

    test("a socket is disconnected, and told so", async (t) => {
      const socket = await connected(t, server, way, PARSER);
      const other = await alsoIn(socket, "/custom");
      const gone = next(other, "disconnect");
      other.emit("disconnect-me", false);
      assert.equal((await gone)[0], "io server disconnect");
      assert.deepEqual(await askAll(socket, "give", "alive"), ["alive"]);
    });

    test("a client that was cut off gets what it missed", async (t) => {
      const recovering = await startConformance({ env: { ...ENV, CONFORMANCE_RECOVERY: "1" } });
      t.after(() => recovering.stopSound());
      const [socket, observer] = await severalConnected(t, recovering, way, 2, PARSER);
      const news = collect(socket, "news");
      observer.emit("emit-all", "news", 1, Buffer.from([1]));
      await news.until(1);
      const { id } = socket;
      await ask(socket, "track", "cut");
      const left = farewell(observer, "cut");
      socket.io.engine.close();
      await left;
      observer.emit("emit-all", "news", 2, Buffer.from([2]));
      socket.connect();
      await isConnected(socket);
      await settle(observer, [socket]);
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
      assert.deepEqual(news.map(([number, bytes]) => [number, bytes[0]]), [[1, 1], [2, 2]]);
    });
  });

  test("a packet in JSON ends its session without a word, as on Node, and the log is told once", async (t) => {
    const node = new Server(0, { parser });
    t.after(() => node.close());
    const there = { url: `http://127.0.0.1:${node.httpServer.address().port}`, path: "/socket.io" };
    const ends = [];
    for (const at of [there, server]) {
      for (const way of WAYS) {
        const socket = client(t, at, way);
        socket.on("connect", () => assert.fail("it has connected"));
        const [reason] = await next(socket.io, "close");
        ends.push([at === server, way.name, reason]);
      }
      const { sid } = await pollingSession(at);
      const query = `EIO=4&transport=polling&sid=${sid}`;
      assert.equal((await request(at, query, { method: "POST", body: "40" })).status, 200);
      assert.equal((await (await request(at, query)).text()).at(-1), "1");
    }
    const [nodes, ours] = [ends.slice(0, 3), ends.slice(3)].map((list) => list.map(([, ...end]) => end));
    assert.deepEqual(ours, nodes);
    const warned = () => server.stderr.split("\n").filter((line) => line.includes("KINGLET_PARSER"));
    while (warned().length === 0) await next(server.child.stderr, "data");
    assert.equal(warned().length, 1, server.stderr);
  });
});
