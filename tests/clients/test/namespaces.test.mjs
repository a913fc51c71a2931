// Namespaces: joining, refusals, several on one connection, and that they do not hear each other.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  alsoIn, ask, askAll, client, collect, connected, isConnected, next, overEachWay, rawWebSocket, settle,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

describe("namespaces", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("a custom namespace works like the main one", async (t) => {
      const socket = client(t, server, way, { nsp: "/custom", auth: { a: 1 } });
      assert.deepEqual(await next(socket, "auth"), [{ a: 1 }]);
      const { id, nsp } = await ask(socket, "whoami");
      assert.deepEqual({ id, nsp }, { id: socket.id, nsp: "/custom" });
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      const args = ["text", Buffer.from([1]), { deep: [Buffer.from([2])] }];
      assert.deepEqual(await askAll(socket, "message-with-ack", ...args), args);
      const back = next(socket, "message-back");
      socket.emit("message", ...args);
      assert.deepEqual(await back, args);
    });

    test("the server's question in a custom namespace is answered there", async (t) => {
      const socket = await connected(t, server, way, { nsp: "/custom" });
      socket.on("question", (bytes, answer) => answer("yes", bytes));
      const answer = await ask(socket, "request", 10_000, "question", Buffer.from([1]));
      assert.deepEqual(answer, [null, "yes", Buffer.from([1])]);
    });

    for (const nsp of ["/nope", "/customs", "/custom/deeper", "/Custom", "/ünï", "/dynamic-x"]) {
      test(`the namespace ${nsp} does not exist`, async (t) => {
        const socket = client(t, server, way, { nsp });
        const [error] = await next(socket, "connect_error");
        assert.equal(error.message, "Invalid namespace");
        assert.equal(error.data, undefined);
        assert.equal(socket.connected, false);
      });
    }

    test("a refused namespace leaves the connection and its other namespaces alone", async (t) => {
      const socket = await connected(t, server, way);
      const session = socket.io.engine.id;
      const other = socket.io.socket("/nope");
      assert.equal((await next(other, "connect_error"))[0].message, "Invalid namespace");
      assert.deepEqual(await askAll(socket, "message-with-ack", 1), [1]);
      assert.equal(socket.io.engine.id, session);
    });

    test("a middleware refuses with message and data, then accepts", async (t) => {
      const socket = client(t, server, way, { nsp: "/auth", auth: { token: "wrong" } });
      const [error] = await next(socket, "connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { code: "E_AUTH", retry: false });
      socket.auth = { token: "secret" };
      const auth = next(socket, "auth");
      socket.connect();
      assert.deepEqual(await auth, [{ token: "secret" }]);
      assert.equal((await ask(socket, "whoami")).nsp, "/auth");
    });

    test("a refusal by the middleware leaves the other namespaces alone", async (t) => {
      const socket = await connected(t, server, way);
      const refused = socket.io.socket("/auth", { auth: { token: "wrong" } });
      assert.equal((await next(refused, "connect_error"))[0].message, "not authorized");
      assert.deepEqual(await askAll(socket, "message-with-ack", 1), [1]);
    });

    test("a middleware refuses a client without auth", async (t) => {
      const socket = client(t, server, way, { nsp: "/auth" });
      assert.equal((await next(socket, "connect_error"))[0].message, "not authorized");
    });

    test("a refused socket hears nothing of the namespace", async (t) => {
      const member = await connected(t, server, way, { nsp: "/auth", auth: { token: "secret" } });
      const refused = client(t, server, way, { nsp: "/auth", auth: { token: "wrong" } });
      const packets = collect(refused.io, "packet");
      await next(refused, "connect_error");
      const before = packets.length;
      const other = await alsoIn(refused, "/custom");
      member.emit("emit-all", "news");
      await settle(member, [member]);
      await settle(other, [other]);
      assert.deepEqual(packets.slice(before).filter(([packet]) => packet.nsp === "/auth"), []);
    });

    test("one connection holds several namespaces, each with its own socket", async (t) => {
      const main = await connected(t, server, way);
      const custom = await alsoIn(main, "/custom", { auth: { of: "custom" } });
      const auth = await alsoIn(main, "/auth", { auth: { token: "secret" } });
      assert.equal(new Set([main.id, custom.id, auth.id, main.io.engine.id]).size, 4);
      for (const socket of [main, custom, auth]) {
        const { id, nsp } = await ask(socket, "whoami");
        assert.deepEqual({ id, nsp }, { id: socket.id, nsp: socket.nsp });
      }
      assert.deepEqual((await ask(custom, "handshake")).auth, { of: "custom" });
      assert.deepEqual((await ask(main, "handshake")).auth, {});
    });

    test("namespaces do not hear each other", async (t) => {
      const main = await connected(t, server, way);
      const custom = await alsoIn(main, "/custom");
      const other = await connected(t, server, way, { nsp: "/custom" });
      const logs = [main, custom, other].map((socket) => collect(socket, "news"));
      await ask(main, "join", "room");
      custom.emit("emit-all", "news", "to all of custom");
      custom.emit("in", { rooms: "room" }, "news", "to a room of the same name");
      await settle(custom, [custom, other]);
      await settle(main, [main]);
      assert.deepEqual(logs.map((log) => [...log]), [[], [["to all of custom"]], [["to all of custom"]]]);
    });

    test("a server emits to another namespace", async (t) => {
      const main = await connected(t, server, way);
      const custom = await connected(t, server, way, { nsp: "/custom" });
      const heard = collect(main, "news");
      const news = next(custom, "news");
      main.emit("io-emit", "/custom", "news", "from main", Buffer.from([1]));
      assert.deepEqual(await news, ["from main", Buffer.from([1])]);
      await settle(main, [main]);
      assert.deepEqual([...heard], []);
    });

    test("a namespace comes into being when its name fits a predicate", async (t) => {
      const nsp = `/dynamic-${Date.now()}`;
      const one = client(t, server, way, { nsp, auth: { a: 1 } });
      assert.deepEqual(await next(one, "auth"), [{ a: 1 }]);
      const other = await connected(t, server, way, { nsp });
      const elsewhere = await connected(t, server, way, { nsp: `${nsp}0` });
      const args = ["text", Buffer.from([1])];
      assert.deepEqual(await askAll(one, "message-with-ack", ...args), args);
      const heard = collect(elsewhere, "news");
      const news = next(other, "news");
      one.emit("emit-all", "news", 1);
      assert.deepEqual(await news, [1]);
      await settle(elsewhere, [elsewhere]);
      assert.deepEqual([...heard], []);
    });

    test("leaving one namespace keeps the others", async (t) => {
      const main = await connected(t, server, way);
      const custom = await alsoIn(main, "/custom");
      const session = main.io.engine.id;
      const first = custom.id;
      custom.disconnect();
      assert.deepEqual(await askAll(main, "message-with-ack", "still here"), ["still here"]);
      custom.connect();
      await isConnected(custom);
      assert.notEqual(custom.id, first);
      assert.equal(main.io.engine.id, session);
      assert.deepEqual(await ask(custom, "rooms"), [custom.id]);
    });

    test("acknowledgements of several namespaces do not mix", async (t) => {
      const main = await connected(t, server, way);
      const custom = await alsoIn(main, "/custom");
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, index) => ask(index % 2 ? main : custom, "message-with-ack", index)),
      );
      assert.deepEqual(answers, Array.from({ length: 60 }, (_, index) => index));
    });
  });

  test("refused CONNECTs end no session", async (t) => {
    const socket = rawWebSocket(t, server);
    await socket.packet("0{");
    socket.send("40/nope,");
    assert.equal(await socket.packet("44/nope"), '44/nope,{"message":"Invalid namespace"}');
    socket.send('40/auth,{"token":"wrong"}');
    const refusal = await socket.packet("44/auth,");
    assert.deepEqual(JSON.parse(refusal.slice("44/auth,".length)), {
      message: "not authorized",
      data: { code: "E_AUTH", retry: false },
    });
    socket.send('40/auth,{"token":"secret"}');
    await socket.packet("40/auth,{");
  });
});
