// Messages of emitters in other languages reach the clients of kinglet where they reach the clients of Node's server,
// and nowhere else. One Redis, a server of each kind, and each message published once for all of them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask, collect, isConnected, next } from "../clients.mjs";
import { Cluster, connectedTo, endAll, isNode, SUBJECT, startKind, unique } from "./cluster.mjs";
import { BROADCASTS, DISCONNECTS, JOINS, LEAVES, SERVER_EVENTS } from "./emitter-forms.mjs";
import { goodBroadcast } from "./hostile-messages.mjs";
import { Redis } from "./redis.mjs";

const KINDS = [...new Set([SUBJECT, "node8", "node7"])];
/** The rooms of each client. */
const ROOMS = { a: ["solo", "null", "true"], b: ["s"] };
const NAMES = Object.keys(ROOMS);

const outcomeFor = (kind, outcome) => outcome[isNode(kind) ? "node" : "kinglet"] ?? outcome;
/** The clients that an outcome's word names. */
const named = (outcome) => ({ both: NAMES, nobody: [] })[outcome] ?? [outcome];

describe("forms that emitters give their messages", () => {
  let redis;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start(redis, KINDS);
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  const toRequests = (message) => redis.publish(`${cluster.key}-request#/#`, message);
  const fence = () => redis.publish(`${cluster.key}#/#`, goodBroadcast("fence"));

  /** Clients `a` and `b` of each server: `[kind, {a, b}]`. */
  async function scene(t) {
    return Promise.all(cluster.servers.map(async (server, at) => [KINDS[at], await couple(t, server)]));
  }

  /** Rows of requests. The outcome is the room's members after the request: sockets that are in it, or have left it. */
  function requests(rows, { everybodyIn, members }) {
    test("reach the same clients", async (t) => {
      const couples = await scene(t);
      for (const [name, request, outcome] of rows) {
        const room = unique("room");
        const everybody = couples.flatMap(([, pair]) => Object.values(pair));
        if (everybodyIn) await Promise.all(everybody.map((socket) => ask(socket, "join", room)));
        await toRequests(request(room));
        const passed = Promise.all(everybody.map((socket) => next(socket, "news")));
        await fence();
        await passed;
        for (const [kind, pair] of couples) {
          const found = await Promise.all(NAMES.map(async (who) => (await ask(pair[who], "rooms")).includes(room)));
          const who = NAMES.filter((_, at) => found[at] === members);
          assert.deepEqual(who, named(outcomeFor(kind, outcome)), `${name}: ${kind}`);
        }
      }
    });
  }

  describe("broadcasts", () => {
    const harmless = BROADCASTS.filter(([, , outcome]) => !outcome.node);
    test("reach the same clients", async (t) => {
      const couples = await scene(t);
      const logs = couples.map(([, pair]) => Object.fromEntries(NAMES.map((who) => [who, collect(pair[who], "news")])));
      for (const [name, message, outcome] of harmless) {
        await redis.publish(`${cluster.key}#/#`, message);
        await fence();
        for (const [at, [kind]] of couples.entries()) {
          const wanted = named(outcomeFor(kind, outcome));
          const counts = await Promise.all(NAMES.map((who) => untilFence(logs[at][who])));
          assert.deepEqual(NAMES.filter((_, of) => counts[of] > 0), wanted, `${name}: ${kind}`);
        }
      }
    });
  });

  describe("requests to join", () => requests(JOINS, { members: true }));
  describe("requests to leave", () => requests(LEAVES, { everybodyIn: true, members: false }));

  for (const [name, request, outcome] of DISCONNECTS) {
    test(`requests to disconnect: ${name}`, async (t) => {
      for (const server of cluster.servers) {
        const socket = await connectedTo(t, server);
        const other = socket.io.socket("/custom");
        await isConnected(other);
        const left = next(socket, "disconnect");
        const otherLeft = outcome === "connection" && next(other, "disconnect");
        await toRequests(request(socket.id));
        await left;
        if (otherLeft) await otherLeft;
        else assert.equal((await ask(other, "whoami")).id, other.id);
      }
    });
  }

  test("events for servers", async (t) => {
    const clients = await cluster.clients(t);
    const logs = clients.map((socket) => collect(socket, "sse-note"));
    for (const [name, message, heard] of SERVER_EVENTS) {
      const passed = Promise.all(clients.map((socket) => next(socket, "news")));
      await toRequests(message);
      if (heard) await Promise.all(logs.map((log) => log.until(1)));
      await fence();
      await passed;
      for (const [at, log] of logs.entries()) {
        assert.equal(log.splice(0).length, heard ? 1 : 0, `${name}: ${KINDS[at]}`);
      }
    }
  });
});

for (const kind of KINDS) {
  const rows = BROADCASTS.filter(([, , outcome]) => outcome.node);
  describe(`messages that no server should get, to ${kind}`, { concurrency: 4 }, () => {
    let redis;
    before(async () => (redis = await Redis.start()));
    after(() => redis.end());
    for (const [name, message, outcome] of rows) {
      test(name, async (t) => {
        const key = unique(kind);
        const server = await startKind(kind, { REDIS_URL: redis.url, CONFORMANCE_REDIS_KEY: key });
        t.after(() => server.stop());
        await redis.servers(1, key);
        const pair = await couple(t, server);
        const logs = NAMES.map((who) => collect(pair[who], "news"));
        const publish = (bytes) => redis.publish(`${key}#/#`, bytes);
        const left = NAMES.map((who) => next(pair[who], "disconnect"));
        const wanted = outcomeFor(kind, outcome);
        await publish(message);
        if (wanted === "ends") return assert.notEqual((await server.exited).code, 0);
        if (wanted === "cuts") {
          const reasons = (await Promise.all(left)).map(([reason]) => reason);
          return assert.deepEqual(reasons, ["parse error", "parse error"]);
        }
        await publish(goodBroadcast("fence"));
        const counts = await Promise.all(logs.map(untilFence));
        assert.deepEqual(NAMES.filter((_, at) => counts[at] > 0), named(wanted));
      });
    }
  });
}

/** Two clients of a server, each in its rooms. */
async function couple(t, server) {
  const pair = {};
  for (const [who, rooms] of Object.entries(ROOMS)) {
    pair[who] = await connectedTo(t, server);
    await ask(pair[who], "join", rooms);
  }
  return pair;
}

/** How many events came before the fence. They are taken out of the log. */
async function untilFence(log) {
  for (let count = 1; ; count++) {
    await log.until(count);
    if (log[count - 1][0] === "fence") return log.splice(0, count).length - 1;
  }
}
