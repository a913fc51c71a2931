// The starter application: a `message-from-client` goes to everyone else.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { client, collect, connected, next, overEachWay, severalConnected, WAYS } from "../clients.mjs";
import { startStarter } from "../server.mjs";

describe("the starter", async () => {
  const server = await startStarter();
  after(() => server.stopSound());

  test("GET / is answered `all good`", async () => {
    const response = await fetch(server.url);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "all good");
  });

  overEachWay((way) => {
    test("a message goes to everyone but its sender", async (t) => {
      const [sender, ...others] = await severalConnected(t, server, way, 4);
      const own = collect(sender, "message-from-client");
      const heard = Promise.all(others.map((socket) => next(socket, "message-from-client")));
      const args = ["text ü", { deep: [1, null, true] }, Buffer.from([1, 2, 3])];
      sender.emit("message-from-client", ...args);
      for (const received of await heard) assert.deepEqual(received, args);
      others[0].emit("message-from-client", "from another");
      assert.deepEqual([...(await own.until(1))], [["from another"]]);
    });

    test("messages stay in order", async (t) => {
      const [sender, receiver] = await severalConnected(t, server, way, 2);
      const heard = collect(receiver, "message-from-client");
      for (let index = 0; index < 1_000; index++) sender.emit("message-from-client", index);
      await heard.until(1_000);
      assert.deepEqual(heard.map(([index]) => index), Array.from({ length: 1_000 }, (_, index) => index));
    });

    test("other events go nowhere and harm nothing", async (t) => {
      const [sender, receiver] = await severalConnected(t, server, way, 2);
      receiver.on("something-else", () => assert.fail("relayed"));
      sender.emit("something-else", 1, Buffer.from([2]));
      const heard = next(receiver, "message-from-client");
      sender.emit("message-from-client", "after");
      assert.deepEqual(await heard, ["after"]);
    });

    test("there is only the main namespace", async (t) => {
      const socket = client(t, server, way, { nsp: "/custom" });
      assert.equal((await next(socket, "connect_error"))[0].message, "Invalid namespace");
    });
  });

  test("clients on different transports hear each other", async (t) => {
    const sockets = await Promise.all(WAYS.map((way) => connected(t, server, way)));
    for (const sender of sockets) {
      const others = sockets.filter((socket) => socket !== sender);
      const heard = Promise.all(others.map((socket) => next(socket, "message-from-client")));
      sender.emit("message-from-client", sender.id);
      assert.deepEqual(await heard, others.map(() => [sender.id]));
    }
  });
});
