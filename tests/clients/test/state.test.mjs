// What the server keeps with a socket, and what a handler on another thread knows of it.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ask, connected, next, overEachWay } from "../clients.mjs";
import { startConformance } from "../server.mjs";

describe("a socket's state", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("a blocking handler knows who asks, while others are served", async (t) => {
      const socket = await connected(t, server, way, { nsp: "/custom", auth: { token: "t" } });
      await ask(socket, "join", "b");
      await ask(socket, "join", "a");
      await ask(socket, "set-data", { level: 3 });
      const order = [];
      const known = ask(socket, "who-blocking").then((answer) => (order.push("known"), answer));
      await ask(socket, "rooms").then(() => order.push("rooms"));
      assert.deepEqual(await known, {
        id: socket.id,
        nsp: "/custom",
        data: { level: 3 },
        auth: { token: "t" },
        rooms: [socket.id, "a", "b"].sort(),
        connected: true,
      });
      assert.deepEqual(order, ["rooms", "known"]);
    });

    test("a value is kept with its socket alone, and not as its data", async (t) => {
      const [one, other] = [await connected(t, server, way), await connected(t, server, way)];
      assert.equal(await ask(one, "noted"), null);
      assert.equal(await ask(one, "note", "first"), "ok");
      assert.equal(await ask(one, "note", "second"), "ok");
      assert.equal(await ask(one, "noted"), "second");
      assert.equal(await ask(other, "noted"), null);
      const [found] = await ask(other, "fetch-sockets", { rooms: one.id });
      assert.deepEqual(found.data, {});
    });

    test("who connects anew has no value of before", async (t) => {
      const socket = await connected(t, server, way);
      await ask(socket, "note", "old");
      socket.disconnect();
      socket.connect();
      await next(socket, "connect");
      assert.equal(await ask(socket, "noted"), null);
    });
  });
});
