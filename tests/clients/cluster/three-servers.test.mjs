// Three servers in one cluster, two of the kind under test and one Node server: broadcasts, answers, and requests while
// one of them hangs or leaves.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask, collect, settle } from "../clients.mjs";
import { Cluster, connectedTo, countSurely, endAll, startAll, startStarterOf, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const KINDS = [SUBJECT, SUBJECT, "node8"];
const PLENTY_MS = 10_000;
const SHORT_MS = 1_000;

test("the starter's messages reach everyone but the sender, once", async (t) => {
  const redis = await Redis.start();
  const servers = [];
  t.after(() => endAll(...servers.map((server) => () => server.stopSound()), () => redis.end()));
  servers.push(...(await startAll(KINDS, (kind) => startStarterOf(kind, { REDIS_URL: redis.url }))));
  await redis.servers(servers.length, "socket.io", ["/"]);

  const clients = await Promise.all([...servers, ...servers].map((server) => connectedTo(t, server)));
  const logs = clients.map((socket) => collect(socket, "message-from-client"));
  const rounds = 20;
  for (let round = 0; round < rounds; round++) {
    clients.forEach((socket, index) => socket.emit("message-from-client", index, round, Buffer.from([index, round])));
  }
  await Promise.all(logs.map((log) => log.until(rounds * (clients.length - 1))));
  // One more from each server, to show that nothing else is on its way.
  clients.forEach((socket, index) => socket.emit("message-from-client", index, "last"));
  await Promise.all(logs.map((log) => log.until((rounds + 1) * (clients.length - 1))));

  logs.forEach((log, receiver) => {
    clients.forEach((_, sender) => {
      const heard = log.filter(([from]) => from === sender).map(([, ...rest]) => rest);
      const sent = Array.from({ length: rounds }, (_, round) => [round, Buffer.from([sender, round])]);
      assert.deepEqual(heard, sender === receiver ? [] : [...sent, ["last"]]);
    });
  });
});

describe("three servers", () => {
  let redis;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start(redis, KINDS);
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  const sorted = (answers) => answers.sort((a, b) => (a.server < b.server ? -1 : 1));

  test("each counts three, and finds the sockets of all", async (t) => {
    const { room, clients } = await cluster.roommates(t);
    const ids = clients.map(({ id }) => id).sort();
    for (const socket of clients) {
      assert.equal(await ask(socket, "server-count"), 3);
      assert.deepEqual((await ask(socket, "fetch-sockets", { rooms: room })).map(({ id }) => id), ids);
      const expected = [...ids, room].sort();
      const rooms = await ask(socket, "all-rooms");
      assert.deepEqual(rooms.filter((name) => expected.includes(name)), expected);
    }
  });

  test("each collects the answers of all", async (t) => {
    const { room, clients } = await cluster.roommates(t);
    clients.forEach((socket, index) => socket.on("question", (answer) => answer(index)));
    for (const [index, socket] of clients.entries()) {
      const [error, answers] = await ask(socket, "broadcast-ack", { rooms: room, timeout: PLENTY_MS }, "question");
      assert.deepEqual([error, answers.sort()], [null, [0, 1, 2]]);
      const [failure, servers] = await ask(socket, "server-side-emit-ack", "sse-ask", index);
      const others = [0, 1, 2].filter((other) => other !== index);
      assert.equal(failure, null);
      assert.deepEqual(sorted(servers), others.map((other) => ({ server: `server-${other}`, arg: index })));
    }
  });

  test("while one server hangs, the others' answers come, with the number of missing ones", async (t) => {
    const { room, clients } = await cluster.roommates(t);
    const [asking, answering, hanging] = clients;
    clients.forEach((socket, index) => socket.on("question", (answer) => answer(index)));
    cluster.servers[2].signal("SIGSTOP");
    t.after(() => cluster.servers[2].signal("SIGCONT"));
    const [emitted, broadcast, fetched] = await Promise.all([
      ask(asking, "server-side-emit-ack", "sse-ask", 1),
      ask(asking, "broadcast-ack", { rooms: room, timeout: SHORT_MS }, "question"),
      ask(asking, "fetch-sockets", { rooms: room }),
    ]);
    assert.equal(typeof emitted[0], "string");
    assert.deepEqual(emitted[1], [{ server: "server-1", arg: 1 }]);
    assert.deepEqual([broadcast[0], broadcast[1].sort()], ["operation has timed out", [0, 1]]);
    assert.equal(typeof fetched.error, "string");

    cluster.servers[2].signal("SIGCONT");
    await settle(hanging, clients);
    assert.equal((await ask(asking, "fetch-sockets", { rooms: room })).length, 3);
    const [error, answers] = await ask(answering, "broadcast-ack", { rooms: room, timeout: PLENTY_MS }, "question");
    assert.deepEqual([error, answers.sort()], [null, [0, 1, 2]]);
  });

  test("a server that has gone is not waited for", async (t) => {
    await cluster.servers.pop().stop("SIGKILL");
    await redis.servers(2, cluster.key);
    const { room, clients } = await cluster.roommates(t);
    assert.equal(await countSurely(clients[0]), 2);
    assert.equal((await ask(clients[0], "fetch-sockets", { rooms: room })).length, 2);
    await cluster.servers.pop().stopSound();
    await redis.servers(1, cluster.key);
    // It has said goodbye.
    assert.equal(await ask(clients[0], "server-count"), 1);
    assert.deepEqual(await ask(clients[0], "server-side-emit-ack", "sse-ask", 1), [null, []]);
    assert.equal((await ask(clients[0], "fetch-sockets", { rooms: room })).length, 1);
  });
});
