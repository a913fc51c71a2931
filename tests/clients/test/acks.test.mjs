// Acknowledgements, asked for by the client and by the server.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ask, askAll, collect, connected, overEachWay } from "../clients.mjs";
import { startConformance } from "../server.mjs";

/** The protocol's packet type. */
const ACK = 3;

describe("acknowledgements", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("the server acknowledges with the arguments it got", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await askAll(socket, "message-with-ack"), []);
      assert.deepEqual(await askAll(socket, "message-with-ack", "one"), ["one"]);
      assert.deepEqual(await askAll(socket, "message-with-ack", 1, "2", { three: [3] }, null), [1, "2", { three: [3] }, null]);
    });

    test("emitWithAck resolves", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await socket.timeout(10_000).emitWithAck("message-with-ack", { a: "b" }), { a: "b" });
    });

    test("an acknowledgement carries binary", async (t) => {
      const socket = await connected(t, server, way);
      const args = [Buffer.from([1, 2, 3]), { deep: [Buffer.from([4]), "text"] }, "end"];
      assert.deepEqual(await askAll(socket, "message-with-ack", ...args), args);
    });

    test("what a handler returns is the acknowledgement", async (t) => {
      const socket = await connected(t, server, way);
      for (const args of [[], ["one"], [1, { two: [Buffer.from([3])] }, null]]) {
        assert.deepEqual(await askAll(socket, "give", ...args), args);
      }
      socket.emit("give", "quiet");
      assert.deepEqual(await askAll(socket, "give", "loud"), ["loud"]);
    });

    test("an error of a handler is told to its client", async (t) => {
      const socket = await connected(t, server, way);
      assert.deepEqual(await askAll(socket, "fail", "no \"room\"\nleft"), [{ error: "no \"room\"\nleft" }]);
      assert.deepEqual(await askAll(socket, "fail"), [{ error: "argument 1: invalid type: nothing, expected a string" }]);
      assert.match((await ask(socket, "join", 7)).error, /OneOrMany/);
      socket.emit("fail", "quiet");
      assert.deepEqual(await askAll(socket, "give", "alive"), ["alive"]);
    });

    test("many acknowledgements at once find their callers", async (t) => {
      const socket = await connected(t, server, way);
      const numbers = Array.from({ length: 300 }, (_, index) => index);
      assert.deepEqual(await Promise.all(numbers.map((number) => ask(socket, "message-with-ack", number))), numbers);
    });

    test("an event that asks for none gets none", async (t) => {
      const socket = await connected(t, server, way);
      const packets = collect(socket.io, "packet");
      socket.emit("message-with-ack", "quiet");
      assert.deepEqual(await askAll(socket, "message-with-ack", "loud"), ["loud"]);
      const acks = packets.map(([packet]) => packet).filter(({ type }) => type === ACK);
      assert.deepEqual(acks.map(({ data }) => data), [["loud"]]);
    });

    test("an event nobody handles is never acknowledged, and harms nothing", async (t) => {
      const socket = await connected(t, server, way);
      let answered = false;
      socket.emit("no-such-event", 1, () => (answered = true));
      socket.emit("no-such-event", Buffer.from([1]));
      assert.deepEqual(await askAll(socket, "message-with-ack", "after"), ["after"]);
      assert.equal(answered, false);
    });

    test("the client acknowledges the server's event", async (t) => {
      const socket = await connected(t, server, way);
      socket.on("question", (a, b, answer) => answer(b, a));
      assert.deepEqual(await ask(socket, "request", 10_000, "question", "left", "right"), [null, "right", "left"]);
    });

    test("the client acknowledges with nothing", async (t) => {
      const socket = await connected(t, server, way);
      socket.on("question", (answer) => answer());
      assert.deepEqual(await ask(socket, "request", 10_000, "question"), [null]);
    });

    test("the client acknowledges binary with binary", async (t) => {
      const socket = await connected(t, server, way);
      socket.on("question", (bytes, answer) => answer({ back: Buffer.from(bytes).reverse() }, "text", Buffer.from([9])));
      const answer = await ask(socket, "request", 10_000, "question", Buffer.from([1, 2, 3]));
      assert.deepEqual(answer, [null, { back: Buffer.from([3, 2, 1]) }, "text", Buffer.from([9])]);
    });

    test("the server's questions may be answered in any order", async (t) => {
      const socket = await connected(t, server, way);
      const held = [];
      socket.on("question", (number, answer) => {
        held.push(() => answer(number));
        if (held.length === 20) for (const release of held.reverse()) release();
      });
      const numbers = Array.from({ length: 20 }, (_, index) => index);
      const answers = await Promise.all(numbers.map((number) => ask(socket, "request", 10_000, "question", number)));
      assert.deepEqual(answers, numbers.map((number) => [null, number]));
    });

    test("the server's wait for an acknowledgement ends in time, and a late one is ignored", async (t) => {
      const socket = await connected(t, server, way);
      let late;
      socket.on("question", (answer) => (late = answer));
      assert.deepEqual(await ask(socket, "request", 50, "question"), ["operation has timed out"]);
      late("too late");
      assert.deepEqual(await askAll(socket, "message-with-ack", "alive"), ["alive"]);
    });
  });
});
