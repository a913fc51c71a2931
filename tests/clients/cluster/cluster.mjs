// Servers of several kinds on one Redis, and the directions between them. The results of each direction are printed as
// a table at the end.

import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ask, connected, settle, WAYS } from "../clients.mjs";
import { start, startConformance, startStarter } from "../server.mjs";

const PEER = fileURLToPath(new URL("peer.mjs", import.meta.url));
const COUNT_EACH_MS = 50;
const WEBSOCKET = WAYS.find(({ name }) => name === "websocket only");

/**
 * The kind under test, and its peers. Another subject shows what the tests themselves are worth:
 * `CLUSTER_SUBJECT=node8` puts the Node server in kinglet's place.
 */
export const SUBJECT = process.env.CLUSTER_SUBJECT ?? "kinglet";
const PEERS = (process.env.CLUSTER_PEERS ?? `${SUBJECT},node8,node7,ioredis`).split(",");

/** The conformance application of an earlier kinglet, `KINGLET_OLD_BIN`: the kind `old`. */
export const OLD = process.env.KINGLET_OLD_BIN;

export const isNode = (kind) => kind !== "kinglet" && kind !== "old";

/** A server of that kind; `env` holds its settings. */
export const startKind = (kind, env) => {
  if (kind === "kinglet") return startConformance({ env });
  return kind === "old" ? start(OLD, { env }) : start(process.execPath, { args: [PEER, kind], env });
};

/** The starter, or a Node server that does the same. */
export const startStarterOf = (kind, env) => (isNode(kind) ? startKind(kind, env) : startStarter({ env }));

let clusters = 0;

/** Servers that hear each other. A cluster has a key of its own, so that many can share one Redis. */
export class Cluster {
  static async start(redis, kinds, { env = {}, envs = [] } = {}) {
    const key = `cluster-${++clusters}`;
    const servers = await startAll(kinds, (kind, index) =>
      startKind(kind, {
        REDIS_URL: redis.url,
        CONFORMANCE_REDIS_KEY: key,
        CONFORMANCE_NAME: `server-${index}`,
        ...env,
        ...envs[index],
      }),
    );
    const cluster = new Cluster(redis, kinds, servers, key);
    try {
      await redis.servers(kinds.length, key);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  constructor(redis, kinds, servers, key) {
    Object.assign(this, { redis, kinds, servers, key });
  }

  /** A client on each server. */
  clients(t, options) {
    return Promise.all(this.servers.map((server) => connectedTo(t, server, options)));
  }

  /** A client on each server, all in one room. */
  async roommates(t) {
    const room = unique("room");
    const clients = await this.clients(t);
    await Promise.all(clients.map((socket) => ask(socket, "join", room)));
    return { room, clients };
  }

  /** Fails unless all have lived until now. */
  stop() {
    return endAll(...this.servers.map((server) => () => server.stopSound()));
  }
}

/** The results of `start` for each: all of them, or none. */
export async function startAll(each, start) {
  const starts = await Promise.allSettled(each.map(start));
  const servers = starts.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  if (servers.length === starts.length) return servers;
  await endAll(...servers.map((server) => () => server.stop()));
  throw starts.find(({ status }) => status === "rejected").reason;
}

/** Ends all servers, one after another, even if some fail, so that nothing is left. Then throws the first error. */
export async function endAll(...ends) {
  const failures = [];
  for (const end of ends) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

let names = 0;

/** A name that no other test uses. */
export const unique = (name) => `${name}-${++names}`;

/** A connected client. */
export const connectedTo = (t, server, options) => connected(t, server, WEBSOCKET, options);

/** Settings of a server that counts departed servers as missing for half a second only. */
export const SHORT_RETURN = { KINGLET_REDIS_BACKOFF: "100ms", KINGLET_REDIS_CONNECT_TIMEOUT: "400ms" };

/** Counts the servers until none is missing. A departed server is missing while it may come back. */
export async function countSurely(socket) {
  for (;;) {
    const count = await ask(socket, "server-count");
    if (typeof count === "number") return count;
    await delay(COUNT_EACH_MS);
  }
}

/** Waits until earlier messages of both servers have reached the other one, and have come back to their sender. */
export async function settleBoth(one, other) {
  await settle(one, [other]);
  await settle(other, [one]);
}

/** From one server of a cluster to another. `here` is the server where operations begin, `there` the one they reach. */
class Direction {
  constructor(cluster, [here, there], [hereIndex, thereIndex]) {
    Object.assign(this, { cluster, hereKind: here, thereKind: there, hereIndex, thereIndex });
    this.name = `${here} → ${there}`;
  }

  /** A test of an operation in this direction. */
  operation(name, run) {
    operation(this.name, name, run);
  }

  get here() {
    return this.cluster().servers[this.hereIndex];
  }

  get there() {
    return this.cluster().servers[this.thereIndex];
  }

  get thereName() {
    return `server-${this.thereIndex}`;
  }

  /** Clients here. */
  clientsHere(t, count, options) {
    return Promise.all(Array.from({ length: count }, () => connectedTo(t, this.here, options)));
  }

  /** Clients there. */
  clientsThere(t, count, options) {
    return Promise.all(Array.from({ length: count }, () => connectedTo(t, this.there, options)));
  }

  /** One here and one there. */
  async pair(t, options) {
    return Promise.all([connectedTo(t, this.here, options), connectedTo(t, this.there, options)]);
  }
}

/** Runs what `declare` declares once for each direction between the subject and each of its peers, side by side. */
export function overEachDirection(redis, declare, { peers = PEERS, ...options } = {}) {
  describe("directions", { concurrency: true }, () => {
    for (const peer of peers) {
      const kinds = [SUBJECT, peer];
      describe(kinds.join(" and "), { concurrency: false }, () => {
        let cluster;
        before(async () => (cluster = await Cluster.start(redis(), kinds, options)));
        after(() => cluster?.stop());
        const orders = SUBJECT === peer ? [[0, 1]] : [[0, 1], [1, 0]];
        for (const order of orders) {
          const direction = new Direction(() => cluster, order.map((index) => kinds[index]), order);
          describe(direction.name, () => declare(direction));
        }
      });
    }
  });
}

const shown = new Map();

/** A test. Its outcome goes into the table, in the direction's column. */
export function operation(column, name, run) {
  const row = shown.get(name) ?? new Map();
  shown.set(name, row);
  row.set(column, "FAILED");
  test(name, async (t) => {
    await run(t);
    row.set(column, "ok");
  });
}

/** Which operations have been shown in which direction. */
export function printTable() {
  const columns = [...new Set([...shown.values()].flatMap((row) => [...row.keys()]))];
  const widths = columns.map((column) => column.length);
  const first = Math.max(...[...shown.keys()].map((name) => name.length));
  const line = (name, cells) => [name.padEnd(first), ...cells.map((cell, i) => cell.padEnd(widths[i]))].join(" | ");
  console.log(`\n${line("operation", columns)}`);
  for (const [name, row] of shown) console.log(line(name, columns.map((column) => row.get(column) ?? "-")));
}
