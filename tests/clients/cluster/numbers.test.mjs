// A kinglet with recovery numbers its events. Servers of Node and kinglets without recovery take no notice.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { ask, collect } from "../clients.mjs";
import { Cluster, endAll, isNode, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const require = createRequire(import.meta.url);
const { decode } = createRequire(require.resolve("@socket.io/redis-adapter"))("notepack.io");

const KINDS = [SUBJECT, SUBJECT, SUBJECT, "node8", "node7", "ioredis"];
const RECOVERY = { CONFORMANCE_RECOVERY: "1" };
const ARGS = [1, "text", { nested: [null, true] }, Buffer.from("binary")];

test("numbers reach nobody's clients", { skip: isNode(SUBJECT) && "Node gives none" }, async (t) => {
  const redis = await Redis.start();
  let cluster;
  t.after(() => endAll(() => cluster?.stop(), () => redis.end()));
  cluster = await Cluster.start(redis, KINDS, { envs: [RECOVERY, RECOVERY, {}] });
  const messages = [];
  const subscriber = await redis.connect();
  await subscriber.pSubscribe(`${cluster.key}#/#*`, (message) => messages.push(message), true);

  const { room, clients } = await cluster.roommates(t);
  const [sender] = clients;
  const news = clients.map((socket) => collect(socket, "news"));
  const selections = [{}, { rooms: room }, { rooms: [room, "other"] }, { except: "other" }];
  for (const selection of selections) sender.emit("in", selection, "news", ...ARGS);
  await ask(sender, "message-with-ack");
  await Promise.all(news.map((log) => log.until(selections.length)));
  // With recovery, clients get an offset behind the arguments, as from Node.
  const received = (log, index) => log.map((args) => args.slice(0, index < 2 ? -1 : undefined));
  for (const [index, log] of news.entries()) assert.deepEqual(received(log, index), selections.map(() => ARGS));

  // One more, to show that nothing else was on its way.
  sender.emit("in", {}, "news", "last");
  await Promise.all(news.map((log) => log.until(selections.length + 1)));
  for (const [index, log] of news.entries()) assert.deepEqual(received(log, index).at(-1), ["last"]);

  const serials = messages.map((message) => decode(message)[2].flags.kl);
  assert.equal(serials.length, selections.length + 1);
  for (const serial of serials) assert.equal(serial.length, 17);
  assert.deepEqual(serials.map((serial) => serial.readBigUInt64BE(9)), serials.map((_, n) => BigInt(n + 1)));
  assert.equal(new Set(serials.map((serial) => serial.subarray(0, 9).toString("hex"))).size, 1, "one process and lane");
});
