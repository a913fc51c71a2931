// How long a client waits that comes back to another server than the one that lost it: the time from its CONNECT to the answer,
// for each of many returns, one after another. And how many messages Redis publishes for each, while nothing else is said.
//
//     KINGLET_CONFORMANCE=target/release/examples/conformance node perf/recovery.mjs [RETURNS] [EVENTS_A_SECOND]
//
// It needs redis-server, and the packages of tests/clients. The exit code is 1 if a client lost its socket.

import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Cluster } from "../tests/clients/cluster/cluster.mjs";
import { Redis } from "../tests/clients/cluster/redis.mjs";

const require = createRequire(new URL("../tests/clients/package.json", import.meta.url));
const { Emitter } = require("@socket.io/redis-emitter");
const { WebSocket } = require("ws");

const [returns = 1000, rate = 0] = process.argv.slice(2).map(Number);
/** A server asks the others for at most 200 clients a second, and for 20 from one address. */
const PAUSE_MS = 6;
const ADDRESSES = 200;
/** The events that a client was brought are kept for it, up to a bound. */
const RETURNS_OF_ONE = 100;
const ENV = { CONFORMANCE_RECOVERY: "1" };

const redis = await Redis.start();
const cluster = await Cluster.start(redis, ["kinglet", "kinglet"], { env: ENV });
const emitter = new Emitter(redis.client, { key: cluster.key });
const speaking = rate > 0 && setInterval(() => emitter.emit("news", "x".repeat(100)), 1000 / rate);
const waits = [];
let lost = 0;
// When a client has been on both, they know each other.
let client = await come(cluster.servers[0]);
await come(cluster.servers[1], client);
waits.length = lost = 0;
const before = await published();
for (let round = 0; round < returns; round++) {
  await delay(PAUSE_MS);
  if (round % RETURNS_OF_ONE === 0) client = await come(cluster.servers[1]);
  client = await come(cluster.servers[round % 2], client);
}
const messages = (await published()) - before;
if (speaking) clearInterval(speaking);
client.socket.terminate();

waits.sort((one, other) => one - other);
const of = (share) => `${waits[Math.ceil(share * waits.length) - 1].toFixed(2)} ms`;
console.log(`${returns} returns, ${lost} without the socket`);
console.log(`CONNECT to answer: median ${of(0.5)}, p90 ${of(0.9)}, p99 ${of(0.99)}, longest ${of(1)}`);
if (!speaking) console.log(`PUBLISH for each: ${(messages / returns).toFixed(3)}`);
await cluster.stop();
await redis.end();
process.exit(lost > 0 ? 1 : 0);

/** Connects to a server, with the claim of an earlier connection, which is cut, if there is one. */
async function come({ port, path }, earlier) {
  earlier?.socket.terminate();
  const localAddress = `127.0.0.${2 + (waits.length % ADDRESSES)}`;
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}/?EIO=4&transport=websocket`, { localAddress });
  const claim = earlier && JSON.stringify({ pid: earlier.pid, offset: earlier.offset });
  return new Promise((resolve, reject) => {
    let begin;
    let pid;
    socket.on("error", reject);
    socket.on("message", (data) => {
      const text = data.toString();
      if (text.startsWith("0{")) {
        begin = performance.now();
        socket.send(claim ? `40${claim}` : "40");
      } else if (text.startsWith("40{")) {
        if (earlier) waits.push(performance.now() - begin);
        pid = JSON.parse(text.slice(2)).pid;
        if (earlier && pid !== earlier.pid) lost++;
      } else if (text.startsWith('42["auth"')) {
        resolve({ socket, pid, offset: JSON.parse(text.slice(2)).at(-1) });
      } else if (text === "2") {
        socket.send("3");
      }
    });
  });
}

async function published() {
  const stats = await redis.client.info("commandstats");
  return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}
