// Decisions about clients that take time: look-ups on a thread, and answers of another one.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ask, client, collect, connected, isConnected, next, overEachWay } from "../clients.mjs";
import { startConformance, startExample } from "../server.mjs";

const WEBSOCKET = { transports: ["websocket"], settled: "websocket" };

describe("decisions that take time", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    for (const nsp of ["/blocking", "/deferred"]) {
      test(`${nsp} lets a client in, which hears what it is sent in order`, async (t) => {
        const socket = client(t, server, way, { nsp, auth: { token: "secret" } });
        const auth = next(socket, "auth");
        const back = next(socket, "message-back");
        // The client keeps it until it is connected.
        socket.emit("message", 1);
        await isConnected(socket);
        assert.deepEqual(await auth, [{ token: "secret" }]);
        assert.deepEqual(await back, [1]);
      });

      test(`${nsp} refuses a client, which may ask again`, async (t) => {
        const socket = client(t, server, way, { nsp, auth: { token: "wrong" } });
        const disconnects = collect(socket, "disconnect");
        const [error] = await next(socket, "connect_error");
        assert.equal(error.message, "not authorized");
        assert.deepEqual(error.data, { code: "E_AUTH", retry: false });
        socket.auth = { token: "secret" };
        socket.connect();
        await isConnected(socket);
        assert.equal(disconnects.length, 0);
      });

      test(`${nsp} refuses by no decision`, async (t) => {
        const socket = client(t, server, way, { nsp, auth: { token: "drop" } });
        const [error] = await next(socket, "connect_error");
        assert.equal(error.message, "internal error");
        assert.equal(error.data, undefined);
      });

      test(`a client of ${nsp} may leave before the decision, and its other namespaces go on`, async (t) => {
        const socket = await connected(t, server, way);
        const waiting = socket.io.socket(nsp, { auth: { token: "secret" } });
        waiting.disconnect();
        const other = socket.io.socket("/custom");
        await isConnected(other);
        assert.equal((await ask(other, "whoami")).nsp, "/custom");
        assert.equal(waiting.connected, false);
      });
    }
  });
});

describe("many decisions", () => {
  test("500 clients are looked up and let in, and `GET /` is answered meanwhile", async (t) => {
    const server = await startExample("reference", { env: { KINGLET_BLOCKING_THREADS: "16" } });
    t.after(() => server.stopSound());
    const sockets = Array.from({ length: 500 }, () => client(t, server, WEBSOCKET, { nsp: "/look-up" }));
    const all = Promise.all(sockets.map(isConnected));
    let done = false;
    const health = (async () => {
      while (!done) assert.equal((await fetch(server.url)).status, 200);
    })();
    await all;
    done = true;
    await health;
  });

  test("clients that nobody decides about in time are closed, and come back by themselves", async (t) => {
    const env = { KINGLET_BLOCKING_THREADS: "1", KINGLET_BLOCKING_QUEUE: "1" };
    const server = await startExample("reference", { env });
    t.after(() => server.stopSound());
    const options = { nsp: "/look-up", reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200 };
    const sockets = Array.from({ length: 50 }, () => client(t, server, WEBSOCKET, options));
    const closed = [];
    for (const socket of sockets) socket.on("disconnect", (reason) => closed.push(reason));
    await Promise.all(sockets.map(isConnected));
    assert.ok(closed.length > 0, "some found no room");
    for (const reason of closed) assert.equal(reason, "transport close");
  });
});
