// The commands that servers send to Redis: each subscription once, one PUBLISH for each broadcast, and nothing
// needless.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask, settle } from "../clients.mjs";
import { Cluster, endAll, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

/** Whether a command is about what servers tell each other of themselves: they greet each other once. */
const isGreeting = ([name, first, second]) =>
  /-peer#(?:[0-9a-f]{6}#)?$/.test(name === "publish" ? first : name === "pubsub" ? second : "");

/** Commands that open a connection: log-in, name, a test for an answer, and questions of `ioredis`. */
const OPENING = ["hello", "auth", "client", "select", "ping", "info"];

describe("commands for Redis", () => {
  let redis;
  let monitor;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    monitor = await redis.monitor();
    cluster = await Cluster.start(redis, [SUBJECT, SUBJECT]);
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  const taken = async () => (await monitor.taken()).filter((command) => !isGreeting(command));

  test("each server subscribes to each of its channels once", async () => {
    const commands = await taken();
    const names = (command) => commands.filter(([name]) => name === command).flatMap(([, ...names]) => names);
    const times = (list, name) => list.filter((other) => other === name).length;
    for (const nsp of ["/", "/custom"]) {
      const [request, response] = ["request", "response"].map((what) => `${cluster.key}-${what}#${nsp}#`);
      assert.equal(times(names("psubscribe"), `${cluster.key}#${nsp}#*`), 2);
      assert.equal(times(names("subscribe"), request), 2);
      assert.equal(times(names("subscribe"), response), 2);
      const own = names("subscribe").filter((name) => name.startsWith(response) && name !== response);
      assert.deepEqual([own.length, new Set(own).size], [2, 2], `${own}`);
    }
    const other = commands.filter(([name]) => ![...OPENING, "psubscribe", "subscribe"].includes(name));
    assert.deepEqual(other, []);
  });

  test("a broadcast is one PUBLISH, and a local one none", async (t) => {
    const [sender, receiver] = await cluster.clients(t);
    await ask(receiver, "join", ["one", "two"]);
    await ask(receiver, "leave", "two");
    sender.emit("emit-all", "news", Buffer.from([1]), { deep: Buffer.from([2]) });
    sender.emit("broadcast", "news");
    sender.emit("in", { rooms: "one" }, "news");
    sender.emit("in", { rooms: ["one", "two"], volatile: true }, "news");
    sender.emit("in", { except: "one" }, "news");
    sender.emit("in", { local: true }, "news");
    sender.emit("message", "to the sender alone");
    sender.emit("io-emit", "/custom", "news");
    sender.emit("sockets-join", { rooms: receiver.id }, "two");
    sender.emit("server-side-emit", "sse-unknown");
    await settle(sender, [receiver]);
    const { key } = cluster;
    const [all, request] = [`${key}#/#`, `${key}-request#/#`];
    const channels = [all, all, `${all}one#`, all, all, `${key}#/custom#`, request, request, all];
    const commands = await taken();
    assert.deepEqual(
      commands.map(([name, channel]) => [name, channel]),
      channels.map((channel) => ["publish", channel]),
    );
  });

  test("a request is a count of servers, one PUBLISH, and one for each answer", async (t) => {
    const [asking] = await cluster.clients(t);
    await ask(asking, "fetch-sockets", {});
    const commands = await taken();
    const { key } = cluster;
    assert.deepEqual(commands.map(([name, first]) => [name, first].join(" ").toLowerCase()), [
      "pubsub numsub",
      `publish ${key}-request#/#`,
      `publish ${key}-response#/#`,
    ]);
  });
});
