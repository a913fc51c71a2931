// A question that is too long for the other servers: nobody gets it, and the caller gets the error.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ask } from "../clients.mjs";
import { connectedTo, endAll, startKind } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const QUEUE = 100_000;

describe("events that are too long for other servers", () => {
  for (const [name, ...before] of [["broadcast-ack", { timeout: 1_000 }], ["server-side-emit-ack"]]) {
    test(`${name} is acknowledged with the error`, async (t) => {
      const redis = await Redis.start();
      let server;
      t.after(() => endAll(() => server?.stop(), () => redis.end()));
      server = await startKind("kinglet", { REDIS_URL: redis.url, KINGLET_REDIS_QUEUE: String(QUEUE) });
      const client = await connectedTo(t, server);
      const answer = await ask(client, name, ...before, "question", "x".repeat(QUEUE));
      assert.match(answer.error, /bytes for other servers/);
    });
  }
});
