// Servers that end say goodbye: right afterwards the others' answers are complete without them. Servers of Node in the
// same cluster ignore that.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { alsoIn, ask } from "../clients.mjs";
import { Cluster, connectedTo, endAll, isNode, settleBoth, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const KINDS = [SUBJECT, SUBJECT, SUBJECT, SUBJECT, "node8", "node7"];
const HERE = "/dynamic-1";

describe("goodbyes", { skip: isNode(SUBJECT) && "Node says none" }, () => {
  let redis;
  let cluster;
  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start(redis, KINDS);
  });
  after(() => endAll(() => cluster?.stop(), () => redis.end()));

  /** Answers of so many servers, each of which has one socket in the namespace. */
  async function complete(socket, servers) {
    const [count, sockets, rooms] = await Promise.all([
      ask(socket, "server-count"),
      ask(socket, "fetch-sockets", {}),
      ask(socket, "all-rooms"),
    ]);
    assert.equal(count, servers);
    assert.equal(sockets.length, servers, JSON.stringify(sockets));
    assert.equal(rooms.length, servers, JSON.stringify(rooms));
  }

  test("of servers that end", async (t) => {
    const clients = await Promise.all(cluster.servers.slice(0, 4).map((server) => connectedTo(t, server)));
    const [one, two, three] = clients;
    // Leaving a namespace made by predicate has a goodbye of its own.
    const leaving = await alsoIn(two, HERE);
    const monitor = await redis.monitor();
    const published = [];
    const read = async () => published.push(...(await monitor.taken()).filter(([name]) => name === "publish"));
    const goodbyes = () => published.filter(([, , message]) => message.includes('"type":200'));
    // Node's servers have a socket each in `/`, too.
    const nodes = await Promise.all(cluster.servers.slice(4).map((server) => connectedTo(t, server)));
    await complete(one, KINDS.length);

    leaving.disconnect();
    while (goodbyes().length === 0) await read();

    for (const [signal, left] of [["SIGTERM", 5], ["SIGINT", 4]]) {
      const server = cluster.servers.splice(2, 1)[0];
      const { code } = await server.stop(signal);
      assert.equal(code, 0);
      // A message that came by Redis after the goodbye has come.
      await settleBoth(one, two);
      await Promise.all([complete(one, left), complete(two, left)]);
    }
    assert.ok(three.disconnected && nodes.every((socket) => socket.connected));
    await read();
    // One for `/dynamic-1`, and of those that ended for each namespace.
    assert.equal(goodbyes().length, 1 + 2 * ["/", "/custom", "/auth", "/blocking", "/deferred"].length);
    // Nobody answers a goodbye: all answers belong to questions.
    const ids = (kind) => published.filter(([, channel]) => channel.startsWith(`${cluster.key}-${kind}#`))
      .map(([, , message]) => JSON.parse(message).requestId);
    const asked = new Set(ids("request"));
    assert.deepEqual(ids("response").filter((id) => id === undefined || !asked.has(id)), []);
  });
});
