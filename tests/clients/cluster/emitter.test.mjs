// The official emitter, a process without clients that writes to Redis, reaches the clients of each kind of server.

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { alsoIn, ask, collect, next } from "../clients.mjs";
import { Cluster, connectedTo, isNode, operation, printTable, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";
import { ODD_ROOMS, VALUES } from "./values.mjs";

describe("the emitter", () => {
  let redis;
  before(async () => (redis = await Redis.start()));
  after(() => redis.end());
  after(printTable);
  for (const kind of new Set([SUBJECT, "node8"])) describe(kind, () => declareEmitter(kind, () => redis));
});

function declareEmitter(kind, redis) {
  let cluster;
  let emitter;
  before(async () => {
    cluster = await Cluster.start(redis(), [kind]);
    emitter = new Emitter(redis().client, { key: cluster.key });
  });
  after(() => cluster?.stop());
  const declare = (name, run) => {
    operation(`emitter → ${kind}`, name, async (t) => run(await scene(t, cluster.servers[0], emitter)));
  };
  declareTargets(declare);
  declareRoomNames(declare, kind);
  declareArguments(declare);
  declareRequests(declare);
}

/** Three clients; the first two are in room `one`, the second and third in `two`. */
async function scene(t, server, emitter) {
  const clients = await Promise.all([1, 2, 3].map(() => connectedTo(t, server)));
  const joins = ["one", ["one", "two"], "two"];
  await Promise.all(clients.map((socket, index) => ask(socket, "join", joins[index])));
  const logs = clients.map((socket) => collect(socket, "news"));
  /** Waits for earlier events, and returns what each client has heard. */
  const heard = async () => {
    const passed = Promise.all(clients.map((socket) => next(socket, "fence")));
    emitter.emit("fence");
    await passed;
    return logs.map((log) => log.splice(0).flat());
  };
  /** The rooms of each client beside its own. */
  const joined = async () => {
    await heard();
    const lists = await Promise.all(clients.map((socket) => ask(socket, "rooms")));
    return lists.map((rooms, index) => rooms.filter((room) => room !== clients[index].id));
  };
  return { emitter, clients, heard, joined };
}

function declareTargets(declare) {
  declare("emit", async ({ emitter, heard }) => {
    emitter.emit("news", 1, "ü");
    assert.deepEqual(await heard(), [[1, "ü"], [1, "ü"], [1, "ü"]]);
  });

  declare("to", async ({ emitter, clients, heard }) => {
    emitter.to("one").emit("news", 1);
    assert.deepEqual(await heard(), [[1], [1], []]);
    emitter.to("one").to("two").emit("news", 2);
    assert.deepEqual(await heard(), [[2], [2], [2]]);
    emitter.in([clients[2].id]).emit("news", 3);
    assert.deepEqual(await heard(), [[], [], [3]]);
  });

  declare("except", async ({ emitter, clients, heard }) => {
    emitter.except("two").emit("news", 1);
    emitter.to("one").except(["two", "nobody"]).emit("news", 2);
    emitter.except([clients[0].id]).emit("news", 3);
    assert.deepEqual(await heard(), [[1, 2], [3], [3]]);
  });

  declare("volatile and compress", async ({ emitter, heard }) => {
    emitter.volatile.emit("news", 1);
    assert.deepEqual(await heard(), [[1], [1], [1]]);
    emitter.compress(true).to("one").emit("news", 2);
    emitter.compress(false).emit("news", 3);
    assert.deepEqual(await heard(), [[2, 3], [2, 3], [3]]);
  });

  declare("of", async ({ emitter, clients, heard }) => {
    const custom = await alsoIn(clients[0], "/custom");
    const log = collect(custom, "news");
    const fence = next(custom, "fence");
    emitter.of("custom").emit("news", 1);
    emitter.of("/custom").to(custom.id).emit("news", 2);
    emitter.of("/custom").except(custom.id).emit("news", 3);
    emitter.of("/other").emit("news", 4);
    emitter.of("/custom").emit("fence");
    await fence;
    assert.deepEqual([...log], [[1], [2]]);
    assert.deepEqual(await heard(), [[], [], []]);
  });
}

function declareRoomNames(declare, kind) {
  declare("names of rooms are any text", async ({ emitter, clients, heard }) => {
    for (const room of ODD_ROOMS) {
      await ask(clients[0], "join", room);
      emitter.to(room).emit("news", room);
      emitter.to(["nobody", room]).emit("news", "many");
      assert.deepEqual(await heard(), [[room, "many"], [], []], `room ${JSON.stringify(room)}`);
      await ask(clients[0], "leave", room);
    }
  });

  declare("rooms may be numbers", async ({ emitter, clients, heard }) => {
    await ask(clients[0], "join", isNode(kind) ? [42, 43] : ["42", "43"]);
    emitter.to(42).emit("news", 1);
    emitter.to([42, 43]).emit("news", 2);
    emitter.except(43).emit("news", 3);
    assert.deepEqual(await heard(), [[1, 2], [3], [3]]);
  });
}

function declareArguments(declare) {
  declare("any arguments arrive as they were", async ({ emitter, heard }) => {
    for (const value of VALUES) emitter.emit("news", [value], { value });
    const expected = VALUES.flatMap((value) => [[value], { value }]);
    for (const args of await heard()) assert.deepEqual(args, expected);
  });

  // Clients of the Node server get the result of JSON.stringify.
  declare("values that JSON does not know", async ({ emitter, heard }) => {
    const dates = [0, 1_700_000_000_123, 1_700_000_000_000, 253_402_300_799_999, -1, 20_000_000_000_000];
    const values = [
      ...dates.map((ms) => new Date(ms)),
      ...[NaN, Infinity, -Infinity, undefined, -0],
      { nothing: undefined, date: new Date(5), list: [undefined, NaN] },
    ];
    emitter.emit("news", ...values);
    const expected = JSON.parse(JSON.stringify(values));
    for (const args of await heard()) assert.deepEqual(args, expected);
  });

  declare("binary data", async ({ emitter, heard }) => {
    const bytes = Buffer.from(Uint8Array.from({ length: 300 }, (_, index) => index));
    const long = Buffer.alloc(70_000, 9);
    const { buffer } = Uint8Array.of(1, 2, 3);
    emitter.emit("news", bytes, { deep: [{ bytes }, long] }, new Uint8Array([4, 5]), buffer, Buffer.alloc(0));
    const expected = [bytes, { deep: [{ bytes }, long] }, Buffer.from([4, 5]), Buffer.from([1, 2, 3]), Buffer.alloc(0)];
    for (const args of await heard()) assert.deepEqual(args, expected);
  });
}

function declareRequests(declare) {
  declare("socketsJoin and socketsLeave", async ({ emitter, clients, joined }) => {
    emitter.socketsJoin(["all", "more"]);
    emitter.to("one").except("two").socketsJoin("first");
    emitter.in(clients[2].id).socketsJoin("#ü");
    assert.deepEqual(await joined(), [
      ["all", "first", "more", "one"],
      ["all", "more", "one", "two"],
      ["#ü", "all", "more", "two"],
    ]);
    emitter.socketsLeave("all");
    emitter.in("one").socketsLeave(["more", "one"]);
    assert.deepEqual(await joined(), [["first"], ["two"], ["#ü", "more", "two"]]);
  });

  for (const close of [false, true]) {
    declare(`disconnectSockets(${close})`, async ({ emitter, clients }) => {
      const custom = await alsoIn(clients[0], "/custom");
      const left = next(clients[0], "disconnect");
      const closed = close && next(clients[0].io, "close");
      emitter.in("one").except("two").disconnectSockets(close);
      assert.equal((await left)[0], "io server disconnect");
      if (close) await closed;
      else assert.equal((await ask(custom, "whoami")).id, custom.id);
      const fence = next(clients[1], "fence");
      emitter.emit("fence");
      await fence;
      assert.deepEqual(clients.map(({ connected }) => connected), [false, true, true]);
    });
  }

  declare("serverSideEmit", async ({ emitter, clients }) => {
    const notes = collect(clients[0], "sse-note");
    const custom = collect(await alsoIn(clients[0], "/custom"), "sse-note");
    emitter.serverSideEmit("sse-unknown", 1);
    emitter.serverSideEmit("sse-note", "ü", { deep: [null, 1.5] });
    emitter.of("/custom").serverSideEmit("sse-note");
    assert.deepEqual([...(await custom.until(1))], [["server-0"]]);
    assert.deepEqual([...(await notes.until(1))], [["server-0", "ü", { deep: [null, 1.5] }]]);
  });
}
