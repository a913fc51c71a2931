// Clients reconnect when the server goes away and comes back.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  alsoIn, ask, askAll, collect, connected, isSettled, next, overEachWay, severalConnected, WAYS,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

const RECONNECTING = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200 };
const LOST = ["transport close", "transport error"];

describe("reconnection", () => {
  overEachWay((way) => {
    for (const [signal, exit] of [
      ["SIGKILL", { code: null, signal: "SIGKILL" }],
      ["SIGTERM", { code: 0, signal: null }],
    ]) {
      test(`clients come back by themselves after ${signal} and a new start`, async (t) => {
        const server = await started(t);
        const socket = await connected(t, server, way, RECONNECTING);
        const custom = await alsoIn(socket, "/custom");
        await ask(socket, "join", "a room of the old server");
        const first = socket.id;
        const lost = [next(socket, "disconnect"), next(custom, "disconnect")];

        assert.deepEqual(await server.stop(signal), exit, server.stderr);
        for (const [reason] of await Promise.all(lost)) assert.ok(LOST.includes(reason), reason);

        const back = [next(socket, "connect"), next(custom, "connect")];
        socket.emit("message-with-ack", "kept by the client", (answer) => (socket.kept = answer));
        await started(t, { port: server.port });
        await Promise.all(back);
        await isSettled(socket, way);
        assert.notEqual(socket.id, first);
        assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
        assert.equal(socket.kept, "kept by the client");
        assert.deepEqual(await askAll(custom, "message-with-ack", Buffer.from([1])), [Buffer.from([1])]);
      });
    }

    test("a client notices a server that says nothing, and comes back when it speaks again", async (t) => {
      const server = await started(t, {
        env: { CONFORMANCE_PING_INTERVAL: "200", CONFORMANCE_PING_TIMEOUT: "1500" },
      });
      const socket = await connected(t, server, way, RECONNECTING);
      const lost = next(socket, "disconnect");
      server.signal("SIGSTOP");
      assert.equal((await lost)[0], "ping timeout");
      const back = next(socket, "connect");
      server.signal("SIGCONT");
      await back;
      assert.deepEqual(await askAll(socket, "message-with-ack", "again"), ["again"]);
    });

    test("a client whose connection is cut comes back at once", async (t) => {
      const server = await started(t);
      const socket = await connected(t, server, way, RECONNECTING);
      for (let round = 0; round < 5; round++) {
        const back = next(socket, "connect");
        socket.io.engine.close();
        await back;
        assert.deepEqual(await askAll(socket, "message-with-ack", round), [round]);
      }
    });
  });

  test("a crowd comes back after SIGTERM, and none of it is told to stay away", async (t) => {
    const server = await started(t);
    const sockets = (await Promise.all(WAYS.map((way) => severalConnected(t, server, way, 25, RECONNECTING)))).flat();
    const reasons = sockets.map((socket) => collect(socket, "disconnect"));
    const back = Promise.all(sockets.map((socket) => next(socket, "connect")));
    assert.deepEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, server.stderr);
    await started(t, { port: server.port });
    await back;
    for (const [[reason]] of reasons) assert.ok(LOST.includes(reason), reason);
    const answers = await Promise.all(sockets.map((socket, index) => ask(socket, "message-with-ack", index)));
    assert.deepEqual(answers, sockets.map((_, index) => index));
  });

  test("SIGTERM without a client ends the server with exit code 0", async (t) => {
    const server = await started(t);
    assert.deepEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, server.stderr);
    assert.equal(server.stdout, "");
  });
});

async function started(t, options) {
  const server = await startConformance(options);
  t.after(() => server.stop("SIGKILL"));
  return server;
}
