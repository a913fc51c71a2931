// Connection state recovery: clients come back from a cut TCP connection as if they had not been away.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { ask, collect, connected, farewell, isSettled, next, overEachWay, settle, WAYS } from "../clients.mjs";
import { startConformance } from "../server.mjs";

const RECONNECTING = { reconnection: true, reconnectionDelay: 5, reconnectionDelayMax: 20 };

// Often enough that clients come back to the event loop that lost them and to others.
const ROUNDS = 12;

describe("connection state recovery", () => {
  overEachWay((way) => {
    test("a client that was cut off gets all it missed, in order, nothing twice", async (t) => {
      const { server, proxy, observer } = await setUp(t);
      const socket = await connected(t, proxy, way, RECONNECTING);
      assert.equal(socket.recovered, false);
      const id = socket.id;
      const rooms = await ask(socket, "join", "room");
      await ask(socket, "note", "kept");
      const news = collect(socket, "news");
      let sent = 0;
      const emit = (sel) => observer.emit("in", sel, "news", sent++);
      for (let round = 0; round < ROUNDS; round++) {
        await ask(socket, "track", `${round}`);
        for (let n = 0; n < 5; n++) emit({});
        const gone = farewell(observer, `${round}`);
        if (way.settled === "polling") await news.until(sent);
        await proxy.cut(way.settled === "polling" ? 1 : 0);
        for (let n = 0; n < 5; n++) emit({ rooms: "room" });
        observer.emit("in", { rooms: "elsewhere" }, "news", "not for it");
        assert.equal((await gone).reasons.length, 1);
        emit({ rooms: id });
        // While the client comes back, broadcasts go on.
        const back = next(socket, "connect");
        proxy.open();
        let coming = true;
        const pump = (async () => {
          while (coming) {
            emit({ rooms: ["room", id] });
            await ask(observer, "message-with-ack");
          }
        })();
        await back;
        coming = false;
        await pump;
        assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
        await isSettled(socket, way);
        await settle(observer, [socket]);
        assert.deepEqual(news.map(([number]) => number), [...Array(sent).keys()], `round ${round}`);
        assert.deepEqual(await ask(socket, "rooms"), rooms);
        assert.equal(await ask(socket, "noted"), "kept");
      }
      assert.equal(server.stderr, "");
    });

    test("a client that is back at once has missed nothing", async (t) => {
      const { proxy, observer } = await setUp(t);
      const socket = await connected(t, proxy, way, RECONNECTING);
      const id = socket.id;
      const news = collect(socket, "news");
      for (let round = 0; round < ROUNDS; round++) {
        observer.emit("emit-all", "news", 2 * round);
        await news.until(2 * round + 1);
        await proxy.cut(way.settled === "polling" ? 1 : 0);
        const back = next(socket, "connect");
        proxy.open();
        observer.emit("emit-all", "news", 2 * round + 1);
        await back;
        assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
        await isSettled(socket, way);
        await settle(observer, [socket]);
        assert.deepEqual(news.map(([number]) => number), [...Array(2 * round + 2).keys()], `round ${round}`);
      }
    });

    test("a client takes its socket over while the server believes the old connection alive", async (t) => {
      const { proxy, observer } = await setUp(t);
      const socket = await connected(t, proxy, way, RECONNECTING);
      const id = socket.id;
      await ask(socket, "join", "room");
      const news = collect(socket, "news");
      for (let round = 0; round < ROUNDS; round++) {
        observer.emit("in", { rooms: "room" }, "news", 2 * round);
        await news.until(2 * round + 1);
        await ask(socket, "track", `${round}`);
        const gone = farewell(observer, `${round}`);
        proxy.lose();
        observer.emit("in", { rooms: "room" }, "news", 2 * round + 1);
        await ask(observer, "message-with-ack");
        const back = next(socket, "connect");
        proxy.open();
        await back;
        assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
        assert.deepEqual((await gone).reasons, ["transport close"]);
        await isSettled(socket, way);
        await settle(observer, [socket]);
        assert.deepEqual(news.map(([number]) => number), [...Array(2 * round + 2).keys()], `round ${round}`);
      }
    });

    test("after the window a client begins anew", async (t) => {
      const { proxy, observer } = await setUp(t, "1");
      const socket = await connected(t, proxy, way, RECONNECTING);
      const id = socket.id;
      await ask(socket, "track", "late");
      await ask(socket, "note", "kept");
      const gone = farewell(observer, "late");
      await proxy.cut(way.settled === "polling" ? 1 : 0);
      await gone;
      const back = next(socket, "connect");
      proxy.open();
      await back;
      assert.equal(socket.recovered, false);
      assert.notEqual(socket.id, id);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      assert.equal(await ask(socket, "noted"), null);
    });
  });

  test("a crowd that is cut off comes back whole", async (t) => {
    const { proxy, observer } = await setUp(t);
    const sockets = await Promise.all(
      Array.from({ length: 45 }, (_, n) => connected(t, proxy, WAYS[n % WAYS.length], RECONNECTING)),
    );
    const news = sockets.map((socket) => collect(socket, "news"));
    await Promise.all(sockets.map((socket, n) => ask(socket, "track", `of ${n}`)));
    const gone = sockets.map((_, n) => farewell(observer, `of ${n}`));
    const back = sockets.map((socket) => next(socket, "connect"));
    await proxy.cut(0);
    await Promise.all(gone);
    for (let n = 0; n < 20; n++) observer.emit("emit-all", "news", n);
    proxy.open();
    for (let n = 20; n < 40; n++) observer.emit("emit-all", "news", n);
    await Promise.all(back);
    assert.ok(sockets.every((socket) => socket.recovered));
    await settle(observer, sockets);
    for (const all of news) assert.deepEqual(all.map(([number]) => number), [...Array(40).keys()]);
  });
});

/** A server with recovery, a proxy in front of it, and a client that does not use the proxy. */
async function setUp(t, keptForMs = "10000") {
  const env = {
    CONFORMANCE_RECOVERY: "1",
    CONFORMANCE_RECOVERY_MS: keptForMs,
    // The server misses a client between two polls only when a ping is not answered.
    CONFORMANCE_PING_INTERVAL: "1000",
    CONFORMANCE_PING_TIMEOUT: "3000",
  };
  const server = await startConformance({ env });
  t.after(() => server.stopSound());
  const proxy = await startProxy(t, server);
  const observer = await connected(t, server, WAYS[2]);
  return { server, proxy, observer };
}

/** A TCP proxy that cuts all connections, and lets none through until it is opened again. */
async function startProxy(t, server) {
  const open = new Set();
  const polls = new Set();
  const clients = new Set();
  const lost = new Set();
  let closed = false;
  const proxy = new EventEmitter();
  const listener = createServer((client) => {
    if (closed) return client.destroy();
    const upstream = connect(server.port, "127.0.0.1");
    clients.add(client);
    client.on("close", () => clients.delete(client));
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      open.add(from);
      from.setNoDelay(true).on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        polls.delete(client);
        if (!lost.has(from)) to.destroy();
      });
      from.on("data", (bytes) => {
        polls.delete(client);
        to.write(bytes, () => {
          if (from === upstream || !/^GET .*transport=polling&/.test(bytes)) return;
          polls.add(client);
          proxy.emit("poll");
        });
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const cut = () => {
    closed = true;
    for (const socket of open) socket.destroy();
  };
  const lose = () => {
    closed = true;
    for (const client of clients) {
      lost.add(client);
      client.destroy();
    }
  };
  t.after(() => {
    cut();
    listener.close();
  });
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${listener.address().port}`,
    path: server.path,
    /** Cuts all connections once this number of polls waits: a server learns only from a poll that its client is gone. */
    async cut(waiting) {
      while (polls.size < waiting) await next(proxy, "poll");
      cut();
    },
    /** Cuts the clients' connections, and leaves the server believe that they are alive. */
    lose,
    open() {
      closed = false;
    },
  });
}
