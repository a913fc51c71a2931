// Servers whose clients speak different forms hear each other: Redis does not know of parsers.

import assert from "node:assert/strict";
import { test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { ask, collect, connected, settle, WAYS } from "../clients.mjs";
import { Cluster, endAll, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const WEBSOCKET = WAYS.find(({ name }) => name === "websocket only");

test("clients of servers with different parsers hear each other", { skip: SUBJECT !== "kinglet" }, async (t) => {
  const redis = await Redis.start();
  let cluster;
  t.after(() => endAll(() => cluster?.stop(), () => redis.end()));
  const envs = [{ CONFORMANCE_PARSER: "msgpack" }, {}, {}];
  cluster = await Cluster.start(redis, ["kinglet", "kinglet", "node8"], { envs });
  const options = [{ parser }, {}, {}];
  const clients = await Promise.all(cluster.servers.map((server, index) => connected(t, server, WEBSOCKET, options[index])));
  const heard = clients.map((client) => collect(client, "news"));
  const sent = [];
  for (const [number, client] of clients.entries()) {
    const args = [number, { deep: [Buffer.from([number])] }, "é", null];
    sent.push(args);
    client.emit("emit-all", "news", ...args);
    await settle(client, clients);
  }
  for (const news of heard) assert.deepEqual([...news], sent);
  for (const client of clients) client.on("question", (answer) => answer(Buffer.from([1])));
  const [error, answers] = await ask(clients[0], "broadcast-ack", { timeout: 5_000 }, "question");
  assert.equal(error, null);
  assert.deepEqual(answers, clients.map(() => Buffer.from([1])));
});
