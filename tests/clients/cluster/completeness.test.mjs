// Questions while Redis ends the servers' connections, again and again: each answer is complete and right, or says that it is
// not. The kinglets log in as a user with only the rights that they need.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ask } from "../clients.mjs";
import { Cluster, endAll, isNode, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const KINDS = [SUBJECT, SUBJECT, "node8"];
const KILL_EACH_MS = 300;
/** This often, two connections end. Then a calm follows, until all questions can be answered again. */
const KILLS = 10;
const CALM_MS = 4_000;
/** A server that soon loses its connection again comes back after half of this, or more: some long after others. */
const BACKOFF_MS = 1_500;
const CONNECT_MS = 500;
/** How long connections are ended. */
const KILL_MS = Number(process.env.CLUSTER_KILL_MS ?? 20_000);
const WELL_WITHIN_MS = 10_000;
const TIMEOUT_MS = 1_000;
const RIGHTS = ["on", ">secret", "resetchannels", "-@all", "+subscribe", "+psubscribe", "+unsubscribe", "+punsubscribe"];
RIGHTS.push("+publish", "+pubsub|numsub", "+ping", "&cluster-*");

describe("questions while connections end", { skip: isNode(SUBJECT) && "Node takes what it has for all" }, () => {
  let redis;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    // A pattern is allowed by its own text alone; there is one for each namespace.
    const patterns = ["/", "/custom", "/auth", "/blocking", "/deferred"].map((nsp) => `&cluster-1#${nsp}#*`);
    await redis.client.sendCommand(["ACL", "SETUSER", "kinglet", ...RIGHTS, ...patterns]);
    const times = { KINGLET_REDIS_BACKOFF: `${BACKOFF_MS}ms`, KINGLET_REDIS_CONNECT_TIMEOUT: `${CONNECT_MS}ms` };
    const own = { REDIS_URL: redis.url.replace("//", "//kinglet:secret@"), ...times };
    const env = { CONFORMANCE_REQUESTS_TIMEOUT: String(TIMEOUT_MS) };
    cluster = await Cluster.start(redis, KINDS, { env, envs: KINDS.map((kind) => (isNode(kind) ? {} : own)) });
    assert.equal(cluster.key, "cluster-1");
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  /** The servers' connections: their ids, and whether each is subscribed. */
  async function connections() {
    const list = await redis.client.sendCommand(["CLIENT", "LIST"]);
    const own = await redis.client.sendCommand(["CLIENT", "ID"]);
    const all = list.trim().split("\n").map((line) => ({
      id: /^id=(\d+)/.exec(line)[1],
      subscribed: / psub=[1-9]/.test(line),
    }));
    return all.filter(({ id }) => id !== String(own));
  }

  /** Ends two connections at a time, now and then all that are subscribed. */
  async function kill(until) {
    for (let round = 0; !until.aborted; round++) {
      const all = await connections();
      const some = all.sort(() => Math.random() - 0.5).slice(0, 2);
      const ended = round % 5 === 4 ? all.filter(({ subscribed }) => subscribed) : some;
      await Promise.all(ended.map(({ id }) => redis.client.sendCommand(["CLIENT", "KILL", "ID", id])));
      await delay(round % KILLS === KILLS - 1 ? CALM_MS : KILL_EACH_MS);
    }
  }

  /** The questions. Each returns what is missing, or `null`, and fails if the answer is wrong. */
  function questions({ room, clients: [asking, ...others] }) {
    const ids = [asking, ...others].map(({ id }) => id).sort();
    const whole = (answer, right) => {
      if (typeof answer.error === "string") return answer.error;
      assert.deepEqual(right(answer), right.expected);
      return null;
    };
    const of = (expected, right) => Object.assign(right, { expected });
    return {
      sockets: async () => {
        const found = await ask(asking, "fetch-sockets", { rooms: room });
        return whole(found, of(ids, (sockets) => sockets.map(({ id }) => id)));
      },
      rooms: async () => {
        const rooms = await ask(asking, "all-rooms");
        return whole(rooms, of(ids, (all) => all.filter((name) => ids.includes(name))));
      },
      count: async () => whole(await ask(asking, "server-count"), of(3, (count) => count)),
      servers: async () => {
        const [error, answers] = await ask(asking, "server-side-emit-ack", "sse-ask", 1);
        return whole({ error, answers }, of(["server-1", "server-2"], () => answers.map(({ server }) => server).sort()));
      },
      acknowledgements: async () => {
        const [error, answers] = await ask(asking, "broadcast-ack", { rooms: room, timeout: TIMEOUT_MS }, "question");
        return whole({ error, answers }, of([0, 1, 2], () => answers.sort()));
      },
    };
  }

  test("each answer is complete and right, or says that it is not", async (t) => {
    const members = await cluster.roommates(t);
    members.clients.forEach((socket, index) => socket.on("question", (answer) => answer(index)));
    const asked = questions(members);
    for (const question of Object.values(asked)) assert.equal(await question(), null);

    const killing = new AbortController();
    const killed = kill(killing.signal);
    const end = Date.now() + KILL_MS;
    const counts = await Promise.all(
      Object.entries(asked).map(async ([name, question]) => {
        const count = { name, complete: 0, incomplete: 0 };
        while (Date.now() < end) count[(await question()) === null ? "complete" : "incomplete"]++;
        return count;
      }),
    ).finally(() => {
      killing.abort();
      return killed;
    });
    for (const { name, complete, incomplete } of counts) {
      t.diagnostic(`${name}: ${complete} complete, ${incomplete} incomplete`);
      assert.ok(complete > 0, `${name} was never complete`);
    }

    // When all are back, everything is complete again.
    const deadline = Date.now() + WELL_WITHIN_MS;
    for (const [name, question] of Object.entries(asked)) {
      for (let missing; (missing = await question()) !== null; ) {
        assert.ok(Date.now() < deadline, `${name}: ${missing}`);
      }
    }
  });
});
