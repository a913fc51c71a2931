// Any program that can write to Redis can write anything. The server under test goes on, keeps its clients, and takes
// the next good message.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import notepack from "notepack.io";
import { ask, collect } from "../clients.mjs";
import { Cluster, countSurely, endAll, SHORT_RETURN, SUBJECT } from "./cluster.mjs";
import {
  DAMAGED_BROADCASTS,
  DAMAGED_REQUESTS,
  DEEP_REQUESTS,
  GARBAGE,
  goodBroadcast,
  WRONG_BROADCASTS,
  WRONG_REQUESTS,
  wrongAnswers,
} from "./hostile-messages.mjs";
import { Redis } from "./redis.mjs";

const SHORT_MS = 1_000;

describe("hostile messages in Redis", () => {
  let redis;
  let cluster;
  let names;
  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start(redis, [SUBJECT], { env: SHORT_RETURN });
    const { key } = cluster;
    names = {
      broadcast: `${key}#/#`,
      room: `${key}#/#room#`,
      request: `${key}-request#/#`,
      response: `${key}-response#/#`,
    };
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  /** Publishes each message and a good one after it: a client in the room hears all good ones, and nothing ends. */
  async function survives(t, channels, messages) {
    const [client] = await cluster.clients(t);
    await ask(client, "join", "room");
    const log = collect(client, "news");
    const published = channels.flatMap((channel) => messages.map((message) => [channel, message]));
    for (const [index, [channel, message]] of published.entries()) {
      await Promise.all([redis.publish(channel, message), redis.publish(names.broadcast, goodBroadcast(index))]);
    }
    try {
      await log.until(published.length);
    } catch (error) {
      const [channel, message] = published[log.length];
      const shown = JSON.stringify(message.toString("latin1", 0, 200));
      throw new Error(`${error.message}: none after ${shown} on ${channel}`);
    }
    assert.deepEqual(log.map(([index]) => index), published.map((_, index) => index));
    assert.equal(await countSurely(client), 1);
    assert.deepEqual(await ask(client, "rooms"), [client.id, "room"].sort());
  }

  test("garbage, on every channel", (t) => survives(t, Object.values(names), GARBAGE));

  test("broadcasts of wrong shape", (t) => survives(t, [names.broadcast, names.room], WRONG_BROADCASTS));

  test("broadcasts cut short or too long", (t) => survives(t, [names.room], DAMAGED_BROADCASTS));

  test("requests of wrong shape", (t) => survives(t, [names.request, names.response], WRONG_REQUESTS));

  test("requests cut short or too long", (t) => survives(t, [names.request], DAMAGED_REQUESTS));

  test("requests of very many levels", (t) => survives(t, [names.request, names.response], DEEP_REQUESTS));

  for (const [event, args] of [
    ["fetch-sockets", [{}]],
    ["all-rooms", []],
    ["server-side-emit-ack", ["sse-ask", 1]],
    ["broadcast-ack", [{ rooms: "nobody", timeout: SHORT_MS }, "question"]],
  ]) {
    test(`wrong answers to ${event}`, async (t) => {
      const [client] = await cluster.clients(t);
      // A second server, as far as the first can see.
      const requests = await redis.messages(names.request);
      const answered = ask(client, event, ...args);
      const [request] = await requests.until(1);
      const { requestId } = request[0] === 0x7b ? JSON.parse(request) : notepack.decode(request);
      assert.equal(typeof requestId, "string");
      for (const answer of wrongAnswers(requestId)) {
        await redis.publish(names.response, answer);
      }
      // It may read them in any way, but it does so in time.
      assert.equal(typeof (await answered), "object");
      await requests.end();
      await survives(t, [names.response], wrongAnswers("unknown"));
    });
  }
});
