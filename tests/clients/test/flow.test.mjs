// Flow control: a client that reads is never cut off, however much is sent to it at once, and however slow its link is.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ask, askAll, client, collect, connected, isConnected, next, overEachWay, severalConnected, WAYS } from "../clients.mjs";
import { slowLink } from "../link.mjs";
import { startConformance } from "../server.mjs";

const [UPGRADE, , WEBSOCKET] = WAYS;

/** How many events a handler emits at once, and how long they are. */
const BURSTS = [
  [300, 5_000],
  [5, 600_000],
  [80, 100_000],
  [20_000, 200],
];

/** How many messages a client sends at once, all of which come back, and how long they are. */
const ECHOES = [
  [2_000, 1_000],
  [20_000, 100],
  [300, 10_000],
  [20, 500_000],
];

const KB = 1_000;
const MB = 1_000_000;

/** Asks for a burst, and waits until all of it has come, in order. */
async function burst(socket, count, size) {
  const all = collect(socket, "burst");
  socket.emit("burst", count, size, "burst");
  await all.until(count);
  assert.ok(all.every(([number, text], index) => number === index && text.length === size));
}

/** Sends messages at once, and waits until all have come back, in order. */
async function echo(socket, count, size) {
  const all = collect(socket, "message-back");
  const text = "x".repeat(size);
  for (let number = 0; number < count; number++) socket.emit("message", number, text);
  await all.until(count);
  assert.ok(all.every(([number, back], index) => number === index && back.length === size));
}

function assertNobodyWasCutOff(server) {
  assert.doesNotMatch(server.stderr, /cut off/);
}

for (const shards of [1, 4]) {
  describe(`flow with ${shards} shard(s)`, async () => {
    const server = await startConformance({ env: { RUST_LOG: "warn", KINGLET_SHARDS: String(shards) } });
    after(async () => {
      await server.stopSound();
      assertNobodyWasCutOff(server);
    });

    overEachWay((way) => {
      for (const [count, size] of BURSTS) {
        test(`${count} events of ${size} bytes from one handler arrive`, async (t) => {
          await burst(await connected(t, server, way), count, size);
        });
      }

      for (const [count, size] of ECHOES) {
        test(`${count} messages of ${size} bytes come back`, async (t) => {
          await echo(await connected(t, server, way), count, size);
        });
      }
    });
  });
}

describe("flow over slow links", async () => {
  const server = await startConformance({ env: { RUST_LOG: "warn", KINGLET_SHARDS: "2" } });
  after(async () => {
    await server.stopSound();
    assertNobodyWasCutOff(server);
  });

  overEachWay((way) => {
    test("a burst of 1.6 MB arrives over 1 MB/s", async (t) => {
      await burst(await connected(t, await slowLink(t, server, MB), way), 16, 100_000);
    });

    test("an echo of 1.2 MB comes back over 1 MB/s", async (t) => {
      await echo(await connected(t, await slowLink(t, server, MB), way), 120, 10_000);
    });
  });

  test("20 members of a room on slow links get every message", async (t) => {
    const members = await severalConnected(t, await slowLink(t, server, 300 * KB), WEBSOCKET, 20);
    await Promise.all(members.map((member) => ask(member, "join", "slow")));
    const heard = members.map((member) => collect(member, "said"));
    for (let number = 0; number < 20; number++) {
      members[number].emit("in", { rooms: "slow" }, "said", number, "x".repeat(20_000));
    }
    for (const all of heard) await all.until(20);
  });
});

describe("flow and heartbeats", async () => {
  const env = { RUST_LOG: "warn", CONFORMANCE_PING_INTERVAL: "1000", CONFORMANCE_PING_TIMEOUT: "1000" };
  const server = await startConformance({ env });
  after(async () => {
    await server.stopSound();
    assertNobodyWasCutOff(server);
  });

  for (const size of [10_000, 100_000]) {
    test(`2 MB in messages of ${size} bytes over 300 kB/s outlast heartbeats`, async (t) => {
      const socket = await connected(t, await slowLink(t, server, 300 * KB), WEBSOCKET);
      await burst(socket, (2 * MB) / size, size);
      assert.equal(socket.connected, true);
    });
  }
});

test("a held-up polling client can still upgrade", async (t) => {
  const server = await startConformance({ env: { KINGLET_HOLD_UP: "16KiB" } });
  t.after(() => server.stopSound());
  const socket = client(t, server, UPGRADE);
  const back = collect(socket, "message-back");
  // Sent on polling, while the upgrade begins.
  for (let number = 0; number < 300; number++) socket.emit("message", number, "x".repeat(1_000));
  await isConnected(socket);
  await back.until(300);
  if (socket.io.engine.transport.name !== "websocket") await next(socket.io.engine, "upgrade");
  assert.deepEqual(await askAll(socket, "message-with-ack", "on"), ["on"]);
});

test("a client that sends and never reads costs little, and is cut off with a word in the log", async (t) => {
  const server = await startConformance({ env: { RUST_LOG: "warn", KINGLET_WRITE_STALL: "1s" } });
  t.after(() => server.stopSound());
  const socket = await connected(t, server, WEBSOCKET);
  socket.io.engine.transport.ws.pause();
  for (let number = 0; number < 40; number++) socket.emit("message", number, "x".repeat(500_000));
  while (!/1 client\(s\) cut off .*KINGLET_WRITE_STALL=1000ms/.test(server.stderr)) {
    await next(server.child.stderr, "data");
  }
  const other = await connected(t, server, WEBSOCKET);
  assert.deepEqual(await askAll(other, "message-with-ack", "on"), ["on"]);
});
