// Kinglets are replaced by newer ones, one after another, on the same Redis. `KINGLET_OLD_BIN` names the conformance
// application of the earlier version. What a client hears while it is connected is whole, whichever server it has; one that
// comes back between two new servers misses nothing. One that comes from an earlier server without numbers may be a new client.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Emitter } from "@socket.io/redis-emitter";
import { ask, client, collect, connected, isConnected, next, WAYS } from "../clients.mjs";
import { Cluster, connectedTo, endAll, isNode, OLD, startKind, SUBJECT } from "./cluster.mjs";
import { assertAllOnce, Front, repeat } from "./front.mjs";
import { Redis } from "./redis.mjs";

const CLIENTS = 30;
const WEBSOCKET = WAYS[2];
const RECONNECTING = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 500, timeout: 5000 };
/** The variables of these tests are none of a kinglet's settings. */
const RUST_LOG = "warn,kinglet::config::env=error";
const ENV = { CONFORMANCE_RECOVERY: "1", CONFORMANCE_RECOVERY_MS: "20000", KINGLET_DRAIN: "2s", RUST_LOG };
const NONE = "KINGLET_OLD_BIN names no earlier conformance application; CONTRIBUTING.md says how to build one";

describe("an upgrade", { skip: (!OLD && NONE) || (isNode(SUBJECT) && "of kinglets") }, () => {
  test("servers are replaced by newer ones, and nobody loses or hears twice what it may expect", async (t) => {
    const { redis, servers, emitter, key } = await setUp(t, ["old", "old", "old"]);
    const everybody = [...servers];
    const front = await Front.start(t, servers);
    const sockets = Array.from({ length: CLIENTS }, () => client(t, front, WEBSOCKET, RECONNECTING));
    await Promise.all(sockets.map(isConnected));
    const lives = sockets.map(livesOf);
    let sent = 0;
    const pump = repeat(20, () => emitter.emit("news", sent++));
    const back = () => Promise.all(sockets.map(isConnected));
    for (const [index, old] of [...servers].entries()) {
      const server = await startKind(SUBJECT, { ...ENV, REDIS_URL: redis.url, CONFORMANCE_REDIS_KEY: key, CONFORMANCE_NAME: `new-${index}` });
      everybody.push(server);
      servers.push(server);
      front.servers = [...front.servers.filter((server) => server !== old), server];
      await delay(200);
      servers.splice(servers.indexOf(old), 1);
      await old.stopSound();
      await back();
      // All come back once more, to any of the servers that are there now.
      const again = sockets.map((socket) => next(socket, "connect"));
      front.cut();
      await Promise.all(again);
    }
    // Only new servers are left: from now on nobody may lose anything.
    const final = sockets.map((socket) => next(socket, "connect"));
    front.cut();
    await Promise.all(final);
    for (const socket of sockets) assert.equal(socket.recovered, true);
    await pump();
    emitter.emit("last");
    await Promise.all(sockets.map((socket) => next(socket, "last")));
    const [recovered, anew] = [true, false].map((was) => lives.flat().filter((life) => life.recovered === was).length);
    t.diagnostic(`${recovered} returns recovered, ${anew} as new clients, of ${CLIENTS} clients and ${sent} events`);
    for (const all of lives) assertWhole(all);
    assert.deepEqual(everybody.flatMap(warnings), []);
  });

  test("earlier servers and new ones speak and ask, while a client goes to and fro between the new ones", async (t) => {
    const { servers } = await setUp(t, ["old", SUBJECT, SUBJECT]);
    const observers = await Promise.all(servers.map((server) => connectedTo(t, server)));
    const front = await Front.start(t, servers.slice(1));
    const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
    const { id } = socket;
    const news = collect(socket, "news");
    const heard = observers.map((observer) => collect(observer, "all"));
    const sent = observers.map(() => 0);
    const pump = repeat(5, () => {
      observers.forEach((observer, index) => observer.emit("in", { rooms: id }, "news", index, sent[index]++));
    });
    const steady = observers.map((one) => one.id).sort();
    for (let round = 1; round <= 10; round++) {
      for (const observer of observers) {
        const described = await ask(observer, "fetch-sockets", {});
        assert.deepEqual(described.map((one) => one.id).filter((found) => found !== id), steady);
        observer.emit("emit-all", "all", round);
        await ask(observer, "sockets-join", { rooms: id }, `room-${round}`);
        observer.emit("in", { rooms: `room-${round}` }, "joined", round);
        await next(socket, "joined");
        await ask(observer, "sockets-leave", { rooms: id }, `room-${round}`);
      }
      await front.bring(socket, round);
      assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
    }
    await pump();
    await news.until(sent.reduce((sum, count) => sum + count));
    assertAllOnce(news, sent);
    for (const all of heard) assert.equal((await all.until(30)).length, 30);
    assert.deepEqual(servers.flatMap(warnings), []);
  });
});

/** Servers of these kinds on one Redis, and the official emitter. */
async function setUp(t, kinds) {
  const redis = await Redis.start();
  let cluster;
  t.after(() => endAll(() => cluster?.stop(), () => redis.end()));
  cluster = await Cluster.start(redis, kinds, { env: ENV });
  return { redis, servers: cluster.servers, emitter: new Emitter(redis.client, { key: cluster.key }), key: cluster.key };
}

/** The numbers of `news` that a client hears, apart for each time that it is connected. */
function livesOf(socket) {
  const lives = [{ recovered: false, news: [] }];
  // What a recovered client has missed comes before it knows that it is connected.
  socket.on("disconnect", () => lives.push({ recovered: false, news: [] }));
  socket.on("connect", () => (lives.at(-1).recovered = socket.recovered === true));
  socket.on("news", (number) => lives.at(-1).news.push(number));
  return lives;
}

/** What a client hears while it is connected, or recovered, has no gap; nothing comes twice, or out of order. */
function assertWhole(lives) {
  let last;
  for (const { recovered, news } of lives) {
    if (!recovered) last = undefined;
    for (const number of news) {
      if (last !== undefined) assert.equal(number, last + 1);
      last = number;
    }
  }
  const all = lives.flatMap(({ news }) => news);
  assert.deepEqual(all, [...new Set(all)].sort((a, b) => a - b));
}

const warnings = ({ stderr }) => stderr.split("\n").filter((line) => /WARN|ERROR/.test(line));
