// The drain after SIGTERM, as clients behind a balancer see it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Balancer, healthOf } from "../balancer.mjs";
import { ask, collect, connected, isSettled, next, severalConnected, WAYS } from "../clients.mjs";
import { startConformance } from "../server.mjs";

const WINDOW_MS = 2_000;
const EACH_WAY = 20;
const RECONNECTING = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200 };
const LET_GO = ["transport close", "transport error"];

describe("a drain", () => {
  test("every client finds the other server, one after the other, and none is told to stay away", async (t) => {
    const [leaving, staying] = await Promise.all(
      ["leaving", "staying"].map((name) => started(t, { CONFORMANCE_NAME: name })),
    );
    const balancer = await new Balancer([leaving, staying], leaving.path).start();
    t.after(() => balancer.stop());
    // All begin on the one that will leave.
    balancer.backends[1].healthy = false;
    const through = { url: balancer.url, path: leaving.path };
    const crowd = WAYS.map((way) => severalConnected(t, through, way, EACH_WAY, RECONNECTING));
    const sockets = (await Promise.all(crowd)).flat();
    for (const socket of sockets) assert.equal((await ask(socket, "whoami")).server, "leaving");
    const farewells = sockets.map((socket) => collect(socket, "disconnect"));
    const times = [];
    sockets.forEach((socket) => socket.on("disconnect", () => times.push(performance.now())));
    const back = Promise.all(sockets.map((socket) => next(socket, "connect")));

    balancer.backends[1].healthy = true;
    leaving.signal("SIGTERM");
    // The signal is on its way; from the first answer that is not 200, none is.
    while ((await balancer.check(leaving)) === 200);
    assert.equal(await balancer.check(leaving), 503);
    const looks = [];
    const watch = setInterval(() => healthOf(leaving.port).then((status) => looks.push(status)), 100);
    t.after(() => clearInterval(watch));
    await back;
    clearInterval(watch);

    assert.deepEqual(await leaving.exited, { code: 0, signal: null }, leaving.stderr);
    assert.deepEqual([...new Set(looks)].filter((status) => status !== "ECONNREFUSED"), [503]);
    for (const farewell of farewells) {
      assert.equal(farewell.length, 1);
      assert.ok(LET_GO.includes(farewell[0][0]), farewell[0][0]);
    }
    const spread = Math.max(...times) - Math.min(...times);
    assert.ok(spread > WINDOW_MS / 2, `all were let go within ${spread} ms`);
    await Promise.all(sockets.map((socket, index) => isSettled(socket, WAYS[Math.floor(index / EACH_WAY)])));
    for (const socket of sockets) assert.equal((await ask(socket, "whoami")).server, "staying");
  });

  test("a second signal ends it at once", async (t) => {
    const server = await started(t, { CONFORMANCE_DRAIN_MS: "3600000" });
    await connected(t, server, WAYS[2]);
    server.signal("SIGTERM");
    while ((await healthOf(server.port)) === 200);
    assert.equal((await server.stop()).code, 1);
  });
});

async function started(t, env) {
  const server = await startConformance({ env: { CONFORMANCE_DRAIN_MS: String(WINDOW_MS), ...env } });
  t.after(() => server.stop("SIGKILL"));
  return server;
}
