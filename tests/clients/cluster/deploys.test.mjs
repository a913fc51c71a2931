// Rolling deploys: three servers behind a balancer that never sticks are replaced one by one under clients with connection
// state recovery, while the official emitter goes on sending.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Emitter } from "@socket.io/redis-emitter";
import { client, collect, isConnected, isSettled, next, WAYS } from "../clients.mjs";
import { Cluster, endAll, isNode, startKind, SUBJECT } from "./cluster.mjs";
import { repeat } from "./front.mjs";
import { Redis } from "./redis.mjs";
import { Restless } from "./restless.mjs";

/** Clients of one address that come back may be looked for on other servers 20 times a second: so long for 60. */
const DRAIN = "2500ms";
const RECONNECTING = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 400, timeout: 5000 };
const ENV = { CONFORMANCE_RECOVERY: "1", CONFORMANCE_RECOVERY_MS: "20000", KINGLET_DRAIN: DRAIN };
/** How many clients get an event each so many milliseconds. A polling client takes four messages between servers for each. */
const [MANY, FEW] = [{ clients: 60, each: 20 }, { clients: 8, each: 50 }];

const skip = isNode(SUBJECT) && "Node's servers stick, and recover nothing on a plain Redis";

describe("rolling deploys", { concurrency: true, skip }, () => {
  for (const way of WAYS) {
    const { clients, each } = way.settled === "polling" ? FEW : MANY;

    test(`${way.name}: every client gets every event once, in order`, async (t) => {
      const { cluster, emitter } = await setUp(t);
      const balancer = await new Restless(cluster.servers).start();
      t.after(() => balancer.stop());
      const sockets = Array.from({ length: clients }, () => client(t, balancer, way, RECONNECTING));
      await Promise.all(sockets.flatMap((socket) => [isConnected(socket), isSettled(socket, way)]));
      const news = sockets.map((socket) => collect(socket, "news"));
      const [anew, disturbed, homes] = [[], [], new Map()];
      let ending;
      for (const socket of sockets) {
        homes.set(socket, balancer.homeOf(socket));
        socket.on("connect", () => {
          homes.set(socket, balancer.homeOf(socket));
          if (!socket.recovered) anew.push(socket.id);
        });
        // A client that polls sees the end of the server with its session only, not of one that passes its requests on.
        socket.on("disconnect", (reason) => {
          if (way.settled === "polling" && homes.get(socket) !== ending) disturbed.push(reason);
        });
      }
      let sent = 0;
      const pump = repeat(each, () => emitter.emit("news", sent++));
      for (ending of [...cluster.servers]) {
        await replace(ending, cluster, balancer);
        // A server cannot know what came before it: the next one begins when everybody is back.
        await Promise.all(sockets.map((socket) => homes.get(socket) === ending && next(socket, "connect")));
        await Promise.all(sockets.map(isConnected));
      }
      await pump();
      emitter.emit("last");
      await Promise.all(sockets.map((socket) => next(socket, "last")));
      assert.deepEqual({ anew, disturbed }, { anew: [], disturbed: [] });
      for (const all of news) assert.deepEqual(all.map(([number]) => number), [...Array(sent).keys()]);
    });
  }
});

/** Three servers on one Redis, and the official emitter. */
async function setUp(t) {
  const redis = await Redis.start();
  let cluster;
  t.after(() => endAll(() => cluster?.stop(), () => redis.end()));
  cluster = await Cluster.start(redis, Array(3).fill(SUBJECT), { env: ENV });
  return { cluster, emitter: new Emitter(redis.client, { key: cluster.key }) };
}

/** Starts a new server, has the balancer know it and no more the old one, and ends that. */
async function replace(old, cluster, balancer) {
  const { redis, key } = cluster;
  const server = await startKind(SUBJECT, { ...ENV, REDIS_URL: redis.url, CONFORMANCE_REDIS_KEY: key });
  cluster.servers.push(server);
  balancer.servers = [...balancer.servers.filter((server) => server !== old), server];
  await delay(200);
  cluster.servers.splice(cluster.servers.indexOf(old), 1);
  await old.stopSound();
}
