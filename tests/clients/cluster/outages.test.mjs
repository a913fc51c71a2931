// Redis is killed, frozen, or not there yet: clients of one server notice nothing, and the servers find each other
// again when it is back.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ask, collect, next } from "../clients.mjs";
import { connectedTo, countSurely, endAll, startAll, startKind, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const BACK_WITHIN_MS = 5_000;
const TRY_EACH_MS = 50;
const KEY = "socket.io";

/** Messages between two clients of one server without end: the next leaves when the last has come. */
class Talk {
  constructor(sender, receiver) {
    this.sender = sender;
    this.heard = collect(receiver, "talk");
    this.ended = this.go();
    // Callers that wait for more, or for the end, learn that it failed.
    this.ended.catch(() => {});
  }

  async go() {
    for (let sent = 1; !this.stopped; sent++) {
      this.sender.emit("broadcast", "talk", sent);
      await this.heard.until(sent);
    }
  }

  /** Waits for this number of further messages. */
  more(count) {
    return this.heard.until(this.heard.length + count);
  }

  /** Ends it; returns how many messages were exchanged, each once and in order. */
  async end() {
    this.stopped = true;
    await this.ended;
    assert.deepEqual(this.heard.map(([index]) => index), this.heard.map((_, index) => index + 1));
    return this.heard.length;
  }
}

describe("outages of Redis", () => {
  /** Two servers and a Redis, which may be absent. */
  async function scene(t, redis) {
    const servers = [];
    t.after(() => endAll(...servers.map((server) => () => server.stopSound()), () => redis.end()));
    const settings = (name) => ({ REDIS_URL: redis.url, CONFORMANCE_NAME: name, CONFORMANCE_REDIS_KEY: KEY });
    servers.push(...(await startAll(["one", "two"], (name) => startKind(SUBJECT, settings(name)))));
    const [near, nearer] = await Promise.all([1, 2].map(() => connectedTo(t, servers[0])));
    const far = await connectedTo(t, servers[1]);
    return { near, nearer, far };
  }

  /** Waits until each server's events reach the other. */
  const reach = (one, other) => Promise.all([arrives(one, other), arrives(other, one)]);

  async function arrives(from, to) {
    const event = `try of ${from.id}`;
    let arrived = false;
    const first = next(to, event).then(() => (arrived = true));
    while (!arrived) {
      from.emit("broadcast", event);
      await Promise.race([first, delay(TRY_EACH_MS)]);
    }
  }

  test("Redis is killed and comes back", async (t) => {
    const redis = await Redis.start();
    const { near, nearer, far } = await scene(t, redis);
    await reach(near, far);
    const talk = new Talk(near, nearer);
    await talk.more(100);
    await redis.kill();
    await talk.more(100);
    await redis.start();
    const back = Date.now();
    await reach(near, far);
    assert.ok(Date.now() - back < BACK_WITHIN_MS, `back after ${Date.now() - back} ms`);
    await talk.more(100);
    await talk.end();
    await redis.servers(2, KEY);
    assert.equal(await countSurely(near), 2);
    assert.equal((await ask(near, "fetch-sockets", {})).length, 3);
  });

  test("Redis is frozen and goes on", async (t) => {
    const redis = await Redis.start();
    const { near, nearer, far } = await scene(t, redis);
    await reach(near, far);
    redis.freeze();
    const talk = new Talk(near, nearer);
    await talk.more(200);
    redis.thaw();
    await reach(near, far);
    await talk.end();
  });

  test("Redis is not there when servers start", async (t) => {
    const redis = await Redis.absent();
    const { near, nearer, far } = await scene(t, redis);
    const talk = new Talk(near, nearer);
    await talk.more(100);
    await redis.start();
    const here = Date.now();
    await reach(near, far);
    assert.ok(Date.now() - here < BACK_WITHIN_MS, `here after ${Date.now() - here} ms`);
    await talk.end();
    await redis.servers(2, KEY);
    // Others may come to Redis later, for a while.
    assert.equal(await countSurely(far), 2);
    assert.equal((await ask(far, "fetch-sockets", {})).length, 3);
  });
});
