// Node's servers on the Redis of kinglets that pass on requests and hand sockets over: they take no notice of either, and
// what they say is neither lost nor heard twice. Their events have no numbers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ask, collect, connected, next, WAYS } from "../clients.mjs";
import { Cluster, connectedTo, endAll, isNode, SUBJECT } from "./cluster.mjs";
import { assertAllOnce, Front, repeat } from "./front.mjs";
import { Redis } from "./redis.mjs";
import { Restless } from "./restless.mjs";

const ROUNDS = 15;
const [DEFAULT, , WEBSOCKET] = WAYS;
const RECONNECTING = { reconnection: true, reconnectionDelay: 5, reconnectionDelayMax: 50, timeout: 5000 };
const RECOVERY = { CONFORMANCE_RECOVERY: "1", CONFORMANCE_RECOVERY_MS: "20000" };
/** What servers of Node say when something is wrong; their adapter does not know goodbyes, which are requests of type 200. */
const COMPLAINTS = /complaint|Warning|malformed|unknown request type: (?!200$)/;
/** What kinglets log from warnings on, but for the tests' own variables, which are none of their settings. */
const RUST_LOG = "warn,kinglet::config::env=error";

describe("Node among kinglets with recovery", { skip: isNode(SUBJECT) && "Node's has none on a plain Redis" }, () => {
  test("it speaks and asks while a client goes to and fro, and notices nothing", async (t) => {
    const { kinglets, nodes, haveNoticedNothing } = await setUp(t);
    const observers = await Promise.all([...kinglets, ...nodes].map((server) => connectedTo(t, server)));
    const [asker] = observers.slice(2);
    const balancer = await new Restless(kinglets).start();
    t.after(() => balancer.stop());
    const wanderer = await connected(t, balancer, DEFAULT);
    const front = await Front.start(t, kinglets);
    const socket = await connected(t, front, WEBSOCKET, RECONNECTING);
    const { id } = socket;
    const news = collect(socket, "news");
    const sent = observers.map(() => 0);
    const speak = repeat(5, () => {
      observers.forEach((observer, index) => observer.emit("in", { rooms: index % 2 ? id : [] }, "news", index, sent[index]++));
    });
    const steady = [wanderer, ...observers].map((one) => one.id).sort();
    const question = repeat(20, async () => {
      const described = await ask(asker, "fetch-sockets", {});
      assert.deepEqual(described.map((one) => one.id).filter((found) => found !== id), steady);
      const [error, answers] = await ask(asker, "server-side-emit-ack", "sse-ask", "well?");
      assert.deepEqual([error, answers.map(({ server }) => server).sort()], [null, ["server-0", "server-1", "server-3"]]);
      assert.equal(await ask(wanderer, "message-with-ack", "still here"), "still here");
    });
    for (let round = 1; round <= ROUNDS; round++) {
      await ask(asker, "sockets-join", { rooms: id }, `room-${round}`);
      asker.emit("in", { rooms: `room-${round}` }, "joined", round);
      await next(socket, "joined");
      await news.until(news.length + 20);
      await front.bring(socket, round);
      assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
      asker.emit("in", { rooms: `room-${round}` }, "still", round);
      assert.equal((await next(socket, "still"))[0], round);
    }
    await Promise.all([speak(), question()]);
    await news.until(sent.reduce((sum, count) => sum + count));
    assertAllOnce(news, sent);
    haveNoticedNothing();
  });

  for (const [name, texts] of [["different", ["a", "b", "c"]], ["equal", ["tick", "tick", "tick"]]]) {
    test(`a client that has missed only events of Node gets them once, ${name} ones`, async (t) => {
      const { kinglets, nodes, haveNoticedNothing } = await setUp(t);
      const speaker = await connectedTo(t, nodes[0]);
      const front = await Front.start(t, kinglets);
      const socket = await connected(t, front, WEBSOCKET, { reconnection: false });
      const { id } = socket;
      const news = collect(socket, "news");
      const say = (...all) => all.forEach((text) => speaker.emit("in", {}, "news", text));
      say(...texts);
      await news.until(texts.length);
      for (let round = 1; round <= 4; round++) {
        await front.lose(socket);
        say(...texts);
        const back = next(socket, "connect");
        front.turn = round;
        socket.connect();
        say(...texts);
        await back;
        assert.deepEqual([socket.recovered, socket.id], [true, id], `round ${round}`);
      }
      speaker.emit("in", {}, "last");
      await next(socket, "last");
      assert.deepEqual(news.map(([text]) => text), Array(9).fill(texts).flat());
      haveNoticedNothing();
    });
  }

  test("a client that comes to Node begins anew there, and again when it comes back", async (t) => {
    const { kinglets, nodes, haveNoticedNothing } = await setUp(t);
    const speaker = await connectedTo(t, kinglets[1]);
    const observers = await Promise.all([...kinglets, ...nodes].map((server) => connectedTo(t, server)));
    const heard = observers.map((observer) => collect(observer, "news"));
    const front = await Front.start(t, [kinglets[0], nodes[0], kinglets[1]]);
    const socket = await connected(t, front, WEBSOCKET, { reconnection: false });
    const news = collect(socket, "news");
    const ids = new Set([socket.id]);
    for (let round = 0; round < 2; round++) {
      speaker.emit("in", {}, "news", 2 * round);
      await news.until(round + 1);
      await front.lose(socket);
      speaker.emit("in", {}, "news", 2 * round + 1);
      await Promise.all(heard.map((all) => all.until(2 * round + 2)));
      const back = next(socket, "connect");
      socket.connect();
      await back;
      assert.ok(!socket.recovered);
      ids.add(socket.id);
    }
    speaker.emit("in", {}, "news", 4);
    await news.until(3);
    assert.deepEqual(news.map(([number]) => number), [0, 2, 4]);
    assert.equal(ids.size, 3);
    haveNoticedNothing();
  });
});

/** The lines that a server has logged and that match. */
const lines = (pattern) => ({ stderr }) => stderr.split("\n").filter((line) => pattern.test(line));

/** Two kinglets and two servers of Node, and what fails if one of them complains. */
async function setUp(t) {
  const redis = await Redis.start();
  let cluster;
  t.after(() => endAll(() => cluster?.stop(), () => redis.end()));
  const env = { ...RECOVERY, DEBUG: "socket.io-redis", RUST_LOG };
  cluster = await Cluster.start(redis, [SUBJECT, SUBJECT, "node8", "node7"], { env });
  const kinglets = cluster.servers.slice(0, 2);
  const nodes = cluster.servers.slice(2);
  const haveNoticedNothing = () =>
    assert.deepEqual([...nodes.flatMap(lines(COMPLAINTS)), ...kinglets.flatMap(lines(/WARN|ERROR/))], []);
  return { kinglets, nodes, haveNoticedNothing };
}
