// A connected client hears the other servers: broadcasts right after the CONNECT to a namespace that no server had
// before.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { alsoIn, next } from "../clients.mjs";
import { Cluster, connectedTo, endAll, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const ROUNDS = 100;
/** Namespaces that a client may join. */
const PER_CLIENT = 20;

describe("new namespaces", () => {
  let redis;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start(redis, [SUBJECT, SUBJECT]);
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  test("a broadcast right after both have connected reaches the other server", async (t) => {
    let clients;
    for (let round = 0; round < ROUNDS; round++) {
      if (round % PER_CLIENT === 0) {
        clients = await Promise.all(cluster.servers.map((server) => connectedTo(t, server)));
      }
      const [one, other] = await Promise.all(clients.map((socket) => alsoIn(socket, `/dynamic-${round}`)));
      const heard = next(other, "news");
      one.emit("emit-all", "news", round);
      assert.deepEqual(await heard, [round]);
    }
  });
});
