// Messages of any content pass from the server under test to the clients of a Node server unchanged. A message that a
// Node server cannot read would end it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { collect, rawJoined, settle } from "../clients.mjs";
import { Cluster, endAll, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";
import { Arbitrary } from "./values.mjs";

const ROUNDS = 400;
const SEED = Number(process.env.CLUSTER_SEED ?? (Date.now() % 2 ** 31) + 1);

/** Events in packets that no JavaScript client would write, and the arguments that Node's clients get. */
const WRITTEN = [
  ["1.0", 1],
  ["-0", 0],
  ["-0.0", 0],
  ["1E+2", 100],
  ["0.1e1", 1],
  ["1e21", 1e21],
  ["-1e300", -1e300],
  ["18446744073709551615", 2 ** 64],
  ["18446744073709551616", 2 ** 64],
  ["-9223372036854775808", -(2 ** 63)],
  ["-9223372036854775809", -(2 ** 63)],
  ["123456789012345678901234567890", 123456789012345678901234567890],
  ["0.1000000000000000055511151231257827021181583404541015625", 0.1],
  [String.raw`"\u00fc\ud83e\udd9c\/"`, "ü🦜/"],
  [' [ 1 ,\n{ "a" : [ ] } ] ', [1, { a: [] }]],
  ['{"a":1,"a":2}', { a: 2 }],
];

/** Values without a meaning that all agree on: they may arrive or not. */
const DOUBTFUL = [
  "1e400",
  "-1e400",
  String.raw`"\ud800"`,
  String.raw`{"\udfff":1}`,
  '{"__proto__":{"a":1},"constructor":1,"length":-1}',
  "[".repeat(120) + "]".repeat(120),
  '{"_placeholder":true,"num":0}',
  `"${"\\u0000".repeat(1_000)}"`,
];

describe("relayed messages", () => {
  let redis;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start(redis, [SUBJECT, "node8"]);
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  for (const [from, to] of [[0, 1], [1, 0]]) {
    test(`arbitrary arguments from ${[SUBJECT, "node8"][from]} arrive equal (CLUSTER_SEED=${SEED})`, async (t) => {
      const clients = await cluster.clients(t);
      const [sender, receiver] = [clients[from], clients[to]];
      const log = collect(receiver, "news");
      const arbitrary = new Arbitrary(SEED);
      const sent = Array.from({ length: ROUNDS }, () => arbitrary.args());
      for (const args of sent) sender.emit("emit-all", "news", ...args);
      await settle(sender, [receiver]);
      sent.forEach((args, index) => assert.deepEqual(log[index], args, `round ${index}`));
      assert.equal(log.length, ROUNDS);
    });
  }

  test("texts of JSON that no client of Node would write", async (t) => {
    const [, receiver] = await cluster.clients(t);
    const raw = await rawJoined(t, cluster.servers[0]);
    const log = collect(receiver, "news");
    const fences = collect(receiver, "fence");
    for (const [text] of WRITTEN) raw.send(`42["emit-all","news",${text}]`);
    for (const text of DOUBTFUL) raw.send(`42["emit-all","doubtful",${text}]`);
    raw.send('42["emit-all","fence"]');
    await fences.until(1);
    WRITTEN.forEach(([text, value], index) => assert.deepEqual(log[index], [value], text));
  });

  test("names of events that clients may not use, and rooms of any name", async (t) => {
    const [, receiver] = await cluster.clients(t);
    const raw = await rawJoined(t, cluster.servers[0]);
    const fences = collect(receiver, "fence");
    for (const name of ["connect", "disconnect", "connect_error", "newListener", "", "🦜", "\u0000"]) {
      raw.send(`42${JSON.stringify(["emit-all", name, 1])}`);
      raw.send(`42${JSON.stringify(["broadcast", name, 1])}`);
      raw.send(`42${JSON.stringify(["in", { rooms: name, except: [name] }, name])}`);
      raw.send(`42${JSON.stringify(["sockets-join", { rooms: "nobody" }, name])}`);
      raw.send(`42${JSON.stringify(["server-side-emit", name])}`);
    }
    for (const args of [[], [1], [null], [{}], ["in"], ["in", null, "news"], ["in", { rooms: 5 }, "news"]]) {
      raw.send(`42${JSON.stringify(["emit-all", ...args])}`);
      raw.send(`42${JSON.stringify(["broadcast", ...args])}`);
      raw.send(`42${JSON.stringify(["server-side-emit", ...args])}`);
    }
    raw.send('42["emit-all","fence"]');
    await fences.until(1);
    assert.equal(receiver.connected, true);
  });
});
