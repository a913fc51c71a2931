// Any instance will do: clients behind a balancer none of whose requests reaches the server that has the session.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ask, client, collect, connected, isConnected, next, WAYS } from "../clients.mjs";
import * as v2 from "../clients-v2.mjs";
import { Cluster, endAll } from "./cluster.mjs";
import { Redis } from "./redis.mjs";
import { Restless } from "./restless.mjs";

const COUNT = 300;
const LARGE = 900_000;
const CONNECTED_WITHIN_MS = 3000;
/** PUBLISH for a default client until its session is where its WebSocket is. */
const CONNECT_COST = 10;

const PYTHON = fileURLToPath(new URL("../../../target/venv/bin/python", import.meta.url));
const PYTHON_CLIENT = fileURLToPath(new URL("../python/wanderer.py", import.meta.url));

const [DEFAULT, POLLING] = WAYS;

let redis;
before(async () => (redis = await Redis.start()));
after(() => redis?.end());

/** Declares tests of so many kinglets behind a balancer that never sticks. */
function behind(count, env, declare) {
  describe(`${count} servers`, () => {
    const scene = {};
    before(async () => {
      scene.cluster = await Cluster.start(redis, Array(count).fill("kinglet"), {
        env: { CONFORMANCE_EIO3: "1", ...env },
      });
      scene.balancer = await new Restless(scene.cluster.servers).start();
    });
    after(() => endAll(() => scene.balancer?.stop(), () => scene.cluster?.stop()));
    declare(scene);
  });
}

/** Numbered messages both ways at once: none is lost, doubled or out of order. */
async function conversation(socket) {
  const lost = [];
  socket.on("disconnect", (reason) => lost.push(reason));
  const numbers = Array.from({ length: COUNT }, (_, number) => number);
  const back = collect(socket, "message-back");
  const acknowledged = [];
  const acks = numbers.map(async (number) => {
    socket.emit("message", number);
    acknowledged.push(await ask(socket, "message-with-ack", number));
  });
  await Promise.all([back.until(COUNT), ...acks]);
  assert.deepEqual(back.map(([number]) => number), numbers);
  assert.deepEqual(acknowledged, numbers);
  assert.deepEqual(lost, []);
}

for (const count of [2, 3]) {
  behind(count, {}, (scene) => {
    for (const [generation, make] of [["", { client, connected }], ["a 2.x client, ", v2]]) {
      for (const way of WAYS) {
        test(`${generation}${way.name}: connects and says all`, async (t) => {
          const begun = Date.now();
          const socket = make.client(t, scene.balancer, way);
          await isConnected(socket);
          const took = Date.now() - begun;
          assert.ok(took < CONNECTED_WITHIN_MS, `connected after ${took} ms`);
          await conversation(socket);
        });

        test(`${generation}${way.name}: large messages pass both ways`, async (t) => {
          const socket = await make.connected(t, scene.balancer, way);
          const large = "x".repeat(LARGE);
          assert.equal(await ask(socket, "message-with-ack", large), large);
        });
      }
    }

    for (const way of WAYS) {
      test(`python-socketio, ${way.name}`, { skip: !existsSync(PYTHON) }, async () => {
        const { url, path } = scene.balancer;
        const args = [PYTHON_CLIENT, url, path, String(COUNT), ...way.transports];
        const { stdout } = await promisify(execFile)(PYTHON, args, { timeout: 60_000 });
        assert.equal(stdout, "done\n");
      });
    }
  });
}

describe("what it costs", () => {
  const published = async () => {
    const stats = await redis.client.info("commandstats");
    return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };

  behind(2, {}, (scene) => {
    test("a default client connects for a few messages", async (t) => {
      const before = await published();
      const socket = await connected(t, scene.balancer, DEFAULT);
      await ask(socket, "message-with-ack", 1);
      const cost = (await published()) - before;
      assert.ok(cost <= CONNECT_COST, `${cost} messages`);
    });

    test("a POST and a GET that are passed on cost two messages each", async (t) => {
      const socket = await connected(t, scene.balancer, POLLING);
      const seen = () => scene.balancer.seen.GET + scene.balancer.seen.POST;
      const [requests, messages] = [seen(), await published()];
      for (let number = 0; number < 10; number++) await ask(socket, "message-with-ack", number);
      const [asked, sent] = [seen() - requests, (await published()) - messages];
      // The GET that is held at the start was sent before.
      assert.ok(sent <= 2 * asked + 1, `${sent} messages for ${asked} requests`);
    });
  });
});

for (const way of [DEFAULT, POLLING]) {
  describe(`a server is killed, ${way.name}`, () => {
    behind(3, { KINGLET_PING_INTERVAL: "1s", KINGLET_PING_TIMEOUT: "1s" }, (scene) => {
      /** Kills a server under a client, which comes back to another. */
      const outlived = async (socket, victim) => {
        const [gone, back] = [next(socket, "disconnect"), next(socket, "connect")];
        await victim.stop("SIGKILL");
        await gone;
        for (const those of [scene.balancer, scene.cluster]) {
          those.servers = those.servers.filter((server) => server !== victim);
        }
        await back;
        await conversation(socket);
      };
      const options = { reconnection: true, reconnectionDelay: 50 };

      test("the one with the session: the client comes back", async (t) => {
        const socket = await connected(t, scene.balancer, way, options);
        await outlived(socket, scene.balancer.homeOf(socket));
      });

      test("the one that the client reaches: the client comes back", { skip: way === DEFAULT }, async (t) => {
        const socket = await connected(t, scene.balancer, way, options);
        const home = scene.balancer.homeOf(socket);
        await outlived(socket, scene.balancer.servers.find((server) => server !== home));
      });
    });
  });
}
