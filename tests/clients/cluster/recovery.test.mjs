// Connection state recovery across servers: a client comes back to a server that has never seen it, as if it had not been
// away. Events come from both servers, whose events have numbers, and from the official emitter, whose events have none.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Emitter } from "@socket.io/redis-emitter";
import { ask, collect, connected, next, WAYS } from "../clients.mjs";
import { Cluster, endAll, isNode, settleBoth, startKind, SUBJECT } from "./cluster.mjs";
import { assertAllOnce, Front, repeat } from "./front.mjs";
import { Redis } from "./redis.mjs";

const ROUNDS = 20;
const WEBSOCKET = WAYS[2];
const RECONNECTING = { reconnection: true, reconnectionDelay: 5, reconnectionDelayMax: 50, timeout: 5000 };
const RECOVERY = { CONFORMANCE_RECOVERY: "1", CONFORMANCE_RECOVERY_MS: "20000" };

describe("recovery across servers", { skip: isNode(SUBJECT) && "Node's has none on a plain Redis" }, () => {
  for (const key of ["", "0123456789abcdef0123456789abcdef"]) {
    test(`a client goes to and fro and misses nothing (${key ? "with" : "without"} a key)`, async (t) => {
      const { servers, emitter } = await setUp(t, 2, { ...RECOVERY, ...(key && { KINGLET_PEER_KEY: key }) });
      const observers = await Promise.all(servers.map((server) => connected(t, server, WEBSOCKET)));
      const front = await Front.start(t, servers);
      const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
      const { id } = socket;
      await ask(socket, "join", "room");
      await ask(socket, "set-data", { kept: true });
      const news = collect(socket, "news");
      const sent = [0, 0, 0];
      const pump = repeat(5, () => {
        observers.forEach((observer, index) => observer.emit("in", { rooms: "room" }, "news", index, sent[index]++));
        emitter.to(sent[2] % 2 ? "room" : id).emit("news", 2, sent[2]++);
      });
      for (let round = 1; round <= ROUNDS; round++) {
        await news.until(news.length + 20);
        await front.bring(socket, round);
        assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
      }
      await pump();
      const [described] = await ask(socket, "fetch-sockets", { rooms: id });
      assert.deepEqual([described.id, described.data], [id, { kept: true }]);
      await news.until(sent[0] + sent[1] + sent[2]);
      assertAllOnce(news, sent);
    });
  }

  test("the same text again and again is neither lost nor taken for one", async (t) => {
    const { servers, emitter } = await setUp(t, 2, RECOVERY);
    const front = await Front.start(t, servers);
    const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
    const ticks = collect(socket, "tick");
    let sent = 0;
    const pump = repeat(3, () => {
      emitter.emit("tick");
      sent++;
    });
    for (let round = 1; round <= ROUNDS; round++) {
      await ticks.until(ticks.length + 20);
      await front.bring(socket, round);
      assert.equal(socket.recovered, true, `round ${round}`);
    }
    await pump();
    emitter.emit("last");
    await next(socket, "last");
    assert.equal(ticks.length, sent);
  });

  test("a hand-over costs three messages", async (t) => {
    const { redis, servers } = await setUp(t, 2, RECOVERY);
    const observers = await Promise.all(servers.map((server) => connected(t, server, WEBSOCKET)));
    // The fences of both servers are behind all that they have said, and cost a message each.
    const published = async () => {
      await settleBoth(...observers);
      const stats = await redis.client.info("commandstats");
      return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const front = await Front.start(t, servers);
    const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
    let before;
    for (let round = 1; round <= 12; round++) {
      await front.bring(socket, round);
      assert.equal(socket.recovered, true, `round ${round}`);
      // When it has been on both, they know each other.
      if (round === 2) before = await published();
    }
    assert.equal((await published()) - before, 10 * 3 + 2);
  });

  test("a client whose old connection is half-open is taken over", async (t) => {
    const { servers } = await setUp(t, 2, RECOVERY);
    const observer = await connected(t, servers[0], WEBSOCKET);
    const front = await Front.start(t, servers);
    const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
    const { id } = socket;
    const news = collect(socket, "news");
    for (let round = 0; round < 6; round++) {
      observer.emit("in", { rooms: id }, "news", 2 * round);
      await news.until(2 * round + 1);
      const back = next(socket, "connect");
      front.turn = round + 1;
      front.abandon();
      observer.emit("in", { rooms: id }, "news", 2 * round + 1);
      await back;
      assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
      await news.until(2 * round + 2);
    }
    assert.deepEqual(news.map(([number]) => number), [...Array(12).keys()]);
  });

  test("a server that has stood still sends nothing twice", async (t) => {
    const { servers, emitter } = await setUp(t, 2, RECOVERY);
    const [old, other] = servers;
    const front = await Front.start(t, [old]);
    const socket = await connected(t, front, WEBSOCKET, { reconnection: false });
    const news = collect(socket, "news");
    let sent = 0;
    const pump = repeat(100, () => emitter.emit("news", sent++));
    await news.until(1);
    other.signal("SIGSTOP");
    // Longer than servers look back.
    await delay(11_000);
    await front.lose(socket);
    front.servers = [other];
    const back = next(socket, "connect");
    socket.connect();
    other.signal("SIGCONT");
    await back;
    assert.equal(socket.recovered, true);
    await pump();
    await news.until(sent);
    assert.deepEqual(news.map(([number]) => number), [...Array(sent).keys()]);
  });

  test("a client whose server was killed begins anew, and nobody comes back twice", async (t) => {
    const { servers } = await setUp(t, 2, RECOVERY);
    const front = await Front.start(t, servers);
    const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
    const { id } = socket;
    const back = next(socket, "connect");
    front.turn = 1;
    servers[0].expendable = true;
    servers[0].signal("SIGKILL");
    await back;
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
  });

  test("what an idle server has lost outlives it", async (t) => {
    const { servers, emitter } = await setUp(t, 2, RECOVERY);
    const [old, other] = servers;
    const front = await Front.start(t, servers);
    const socket = await connected(t, front, WEBSOCKET, { reconnection: false });
    const { id } = socket;
    const news = collect(socket, "news");
    const comeBack = async (to) => {
      front.servers = [to];
      const back = next(socket, "connect");
      socket.connect();
      await back;
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
    };
    emitter.emit("news", 0);
    await news.until(1);
    // When it has been on both, they know each other.
    for (const server of [other, old]) {
      await front.lose(socket);
      await comeBack(server);
    }
    emitter.emit("news", 1);
    await news.until(2);
    await front.lose(socket);
    emitter.emit("news", 2);
    await delay(200);
    servers.shift();
    await old.stopSound();
    emitter.emit("news", 3);
    await comeBack(other);
    emitter.emit("news", 4);
    await news.until(5);
    assert.deepEqual(news.map(([number]) => number), [0, 1, 2, 3, 4]);
  });

  test("a server that begins while the only one drains takes its clients", async (t) => {
    const { redis, servers, emitter, key } = await setUp(t, 1, { ...RECOVERY, KINGLET_DRAIN: "6s" });
    const [old] = servers;
    const front = await Front.start(t, servers);
    const socket = await connected(t, front, WEBSOCKET, { reconnection: false });
    const { id } = socket;
    const news = collect(socket, "news");
    await connected(t, old, WEBSOCKET, { reconnection: false });
    emitter.emit("news", 0);
    await news.until(1);
    await front.lose(socket);
    await delay(200);
    // The other client has its turn after 3 s.
    const ended = old.stopSound();
    emitter.emit("news", 1);
    await delay(200);
    servers[0] = await startKind(SUBJECT, { ...RECOVERY, REDIS_URL: redis.url, CONFORMANCE_REDIS_KEY: key });
    await ended;
    emitter.emit("news", 2);
    front.servers = servers;
    const back = next(socket, "connect");
    socket.connect();
    await back;
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    await news.until(3);
    assert.deepEqual(news.map(([number]) => number), [0, 1, 2]);
  });
});

/** Servers on one Redis, and the official emitter. */
async function setUp(t, count, env) {
  const redis = await Redis.start();
  let cluster;
  t.after(() => endAll(() => endServers(cluster?.servers ?? []), () => redis.end()));
  cluster = await Cluster.start(redis, Array(count).fill(SUBJECT), { env });
  const emitter = new Emitter(redis.client, { key: cluster.key });
  return { redis, servers: cluster.servers, emitter, key: cluster.key };
}

const endServers = (servers) =>
  endAll(...servers.map((server) => () => (server.expendable ? server.stop("SIGKILL") : server.stopSound())));
