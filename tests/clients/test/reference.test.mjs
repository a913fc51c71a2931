// The parts of Node's API reference that the other tests do not cover, by their names.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { alsoIn, ask, client, collect, connected, next, overEachWay, severalConnected, WAYS } from "../clients.mjs";
import { startExample, startStarter } from "../server.mjs";

const WEBSOCKET = WAYS[2];

describe("the reference", () => {
  let server;
  before(async () => (server = await startExample("reference")));
  after(() => server.stopSound());

  overEachWay((way) => {
    test("`send` of a socket, a server and a namespace is an event `message`", async (t) => {
      const [socket, other] = await severalConnected(t, server, way, 2);
      other.on("message", (kind) => assert.notEqual(kind, "socket.send"));
      const messages = collect(socket, "message");
      for (const kind of ["socket.send", "server.send", "namespace.send"]) {
        const heard = kind === "socket.send" ? undefined : next(other, "message");
        socket.emit(kind, kind, 1);
        await heard;
      }
      await messages.until(3);
      assert.deepEqual([...messages], [["socket.send", 1], ["server.send", 1], ["namespace.send", 1]]);
    });

    test("`emit` of the server reaches everybody", async (t) => {
      const [socket, other] = await severalConnected(t, server, way, 2);
      const heard = Promise.all([next(socket, "emitted"), next(other, "emitted")]);
      socket.emit("server.emit", "all", { of: "you" });
      assert.deepEqual(await heard, [["all", { of: "you" }], ["all", { of: "you" }]]);
    });

    test("`volatile` of the server and of a broadcast reaches clients that are ready to receive", async (t) => {
      const [socket, other] = await severalConnected(t, server, way, 2);
      const heard = collect(other, "emitted");
      for (const kind of ["server.volatile", "socket.broadcast.volatile"]) {
        // A client between two polls misses it.
        while (!heard.some(([which]) => which === kind)) {
          socket.emit(kind, kind);
          await ask(socket, "engine.clientsCount");
        }
      }
    });

    test("`connected` and `disconnected` say whether a socket is a member", async (t) => {
      const observer = await connected(t, server, way);
      const socket = client(t, server, way);
      assert.deepEqual(await next(socket, "socket.connected"), [true, false]);
      const { id } = socket;
      const gone = next(observer, "socket.disconnected");
      socket.disconnect();
      assert.deepEqual(await gone, [id, false, true]);
    });

    test("the handshake tells address and time", async (t) => {
      const begin = Date.now();
      const socket = await connected(t, server, way);
      const { address, issued } = await ask(socket, "socket.handshake");
      assert.equal(address, "127.0.0.1");
      assert.ok(issued >= begin && issued <= Date.now(), `${issued}`);
    });

    test("a remote socket is sent to, asked, made to join, to leave and to disconnect", async (t) => {
      const [socket, other] = await severalConnected(t, server, way, 2);
      const emitted = next(other, "emitted");
      assert.equal(await ask(socket, "remote.emit", other.id, 1, "b"), "done");
      assert.deepEqual(await emitted, [1, "b"]);
      other.on("asked", (answer) => answer("heard"));
      assert.deepEqual(await ask(socket, "remote.emitWithAck", other.id), { Ok: "heard" });
      const told = collect(socket, "told");
      for (const [what, roomsBefore] of [["join", 1], ["leave", 2]]) {
        assert.equal(await ask(socket, `remote.${what}`, other.id), roomsBefore);
        while (!told.some(([event, , id]) => event === `${what}-room` && id === other.id)) await next(socket, "told");
      }
      const gone = next(other, "disconnect");
      assert.match(await ask(socket, "remote.disconnect", other.id), /^\/socket\.io\/\?EIO=4/);
      assert.equal((await gone)[0], "io server disconnect");
    });

    test("rooms are reported when they are created and deleted", async (t) => {
      const [one, two, observer] = await severalConnected(t, server, way, 3);
      const told = collect(observer, "told");
      const room = `told-${way.settled}-${way.transports.length}`;
      const mine = () => told.filter(([, name]) => name === room).map(([what, , id]) => [what, id]);
      // Each waits until the last was told of: sockets may be served by several threads.
      for (const [socket, event, count] of [[one, "join", 2], [two, "join", 3], [one, "leave", 4]]) {
        socket.emit(`socket.${event}`, room);
        while (mine().length < count) await next(observer, "told");
      }
      two.disconnect();
      while (mine().length < 6) await next(observer, "told");
      assert.deepEqual(mine().map(([what]) => what).sort(), [
        "create-room", "delete-room", "join-room", "join-room", "leave-room", "leave-room",
      ]);
      assert.equal(mine().filter(([what, id]) => what.startsWith("create") || what.startsWith("delete") || id).length, 6);
    });

    test("an event middleware refuses events, and catch-all listeners hear the others", async (t) => {
      const socket = await connected(t, server, way);
      socket.emit("refused", () => assert.fail("the refused event was acknowledged"));
      const message = next(socket, "message");
      socket.emit("socket.send");
      await message;
      const notes = await ask(socket, "noted");
      assert.ok(notes.includes("in socket.send"), `${notes}`);
      assert.ok(notes.includes("out message"), `${notes}`);
      assert.ok(!notes.includes("in refused"), `${notes}`);
    });
  });

  test("`clientsCount` counts connections, not sockets", async (t) => {
    const alone = await startExample("reference");
    t.after(() => alone.stopSound());
    const [socket] = await severalConnected(t, alone, WEBSOCKET, 3);
    await alsoIn(socket, "/child-of-count");
    assert.equal(await ask(socket, "engine.clientsCount"), 3);
  });

  test("`close` lets every client go, and ends the server", async (t) => {
    const closing = await startExample("reference");
    const [socket, other] = await severalConnected(t, closing, WEBSOCKET, 2);
    const gone = Promise.all([next(socket, "disconnect"), next(other, "disconnect")]);
    socket.emit("server.close");
    for (const [reason] of await gone) assert.match(reason, /^transport (close|error)$/);
    assert.deepEqual(await closing.exited, { code: 0, signal: null });
  });
});

describe("the options", () => {
  async function started(t, env) {
    const server = await startExample("reference", { env });
    t.after(() => server.stopSound());
    return server;
  }

  async function refused(t, server, way) {
    const [error] = await next(client(t, server, way), "connect_error");
    assert.match(error.message, /^(xhr poll|websocket) error$/);
  }

  test("`transports`: only the named ones serve", async (t) => {
    const [polling, websocket] = [await started(t, { KINGLET_TRANSPORTS: "polling" }), await started(t, { KINGLET_TRANSPORTS: "websocket" })];
    await connected(t, polling, WAYS[1]);
    await refused(t, polling, WEBSOCKET);
    await connected(t, websocket, WEBSOCKET);
    await refused(t, websocket, WAYS[1]);
  });

  test("`allowUpgrades`: where they are not allowed, a client stays on polling", async (t) => {
    const server = await started(t, { KINGLET_ALLOW_UPGRADES: "0" });
    const socket = client(t, server, WAYS[0]);
    const [[{ upgrades }]] = await Promise.all([next(socket.io.engine, "handshake"), next(socket, "connect")]);
    assert.deepEqual(upgrades, []);
    await ask(socket, "engine.clientsCount");
    assert.equal(socket.io.engine.transport.name, "polling");
  });

  for (const [value, stays] of [["0", true], ["1", false]]) {
    test(`an empty child namespace ${stays ? "stays" : "goes"} with \`cleanupEmptyChildNamespaces\` ${value}`, async (t) => {
      const server = await started(t, { KINGLET_CLEANUP_EMPTY_CHILD_NAMESPACES: value });
      const socket = await connected(t, server, WEBSOCKET);
      assert.equal(await ask(socket, "server.of", "/child-a"), false);
      const child = await alsoIn(socket, "/child-a");
      const emitted = next(child, "emitted");
      assert.equal(await ask(socket, "server.of", "/child-a"), true);
      await emitted;
      child.disconnect();
      // One connection is served in order, so the child has left before this is asked.
      assert.equal(await ask(socket, "server.of", "/child-a"), stays);
    });
  }

  test("`pingInterval`, `pingTimeout`, `maxHttpBufferSize`: the client is told", async (t) => {
    const env = { KINGLET_PING_INTERVAL: "300ms", KINGLET_PING_TIMEOUT: "200ms", KINGLET_MAX_HTTP_BUFFER_SIZE: "5000" };
    const server = await startStarter({ env });
    t.after(() => server.stopSound());
    const socket = client(t, server, WEBSOCKET);
    const [[{ pingInterval, pingTimeout, maxPayload }]] = await Promise.all([
      next(socket.io.engine, "handshake"),
      next(socket.io, "ping"),
    ]);
    assert.deepEqual([pingInterval, pingTimeout, maxPayload], [300, 200, 5000]);
  });
});
