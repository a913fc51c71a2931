// Operations: clients of one server hear what another emits. A fence, a later event on the same path, proves that
// nothing else came.

import assert from "node:assert/strict";
import { alsoIn, ask, collect, connected, next, settle, WAYS } from "../clients.mjs";
import { isNode, unique } from "./cluster.mjs";
import { LONG_TEXT, ODD_ROOMS, VALUES } from "./values.mjs";

export function declareBroadcasts(direction) {
  declareTargets(direction);
  declareNamespaces(direction);
  declareRoomNames(direction);
  declareArguments(direction);
  declareOrder(direction);
}

/**
 * One client here and three there: the first two are in a room `one`, the second and third in `two`. `hear`
 * emits by `cause` and returns what each of the three has heard, then what the sender has.
 */
async function scene(direction, t) {
  const [[sender], receivers] = await Promise.all([
    direction.clientsHere(t, 1),
    direction.clientsThere(t, 3),
  ]);
  const one = unique("one");
  const two = unique("two");
  await Promise.all([
    ask(receivers[0], "join", one),
    ask(receivers[1], "join", [one, two]),
    ask(receivers[2], "join", two),
  ]);
  const everyone = [...receivers, sender];
  const logs = everyone.map((socket) => collect(socket, "news"));
  const hear = async (...cause) => {
    sender.emit(...cause);
    await settle(sender, everyone);
    return logs.map((log) => log.splice(0).flat());
  };
  return { sender, receivers, one, two, hear };
}

function declareTargets(direction) {
  direction.operation("emit to everyone", async (t) => {
    const { hear } = await scene(direction, t);
    assert.deepEqual(await hear("emit-all", "news", 1), [[1], [1], [1], [1]]);
  });

  direction.operation("emit to a room", async (t) => {
    const { hear, one } = await scene(direction, t);
    assert.deepEqual(await hear("in", { rooms: one }, "news", 1), [[1], [1], [], []]);
  });

  direction.operation("emit to a room of clients here and there", async (t) => {
    const { sender, hear, one } = await scene(direction, t);
    await ask(sender, "join", one);
    assert.deepEqual(await hear("in", { rooms: one }, "news", 1), [[1], [1], [], [1]]);
  });

  direction.operation("emit to several rooms, once to a member of both", async (t) => {
    const { hear, one, two } = await scene(direction, t);
    assert.deepEqual(await hear("in", { rooms: [one, two] }, "news", 1), [[1], [1], [1], []]);
  });

  direction.operation("emit to nobody", async (t) => {
    const { hear } = await scene(direction, t);
    assert.deepEqual(await hear("in", { rooms: unique("empty") }, "news", 1), [[], [], [], []]);
    assert.deepEqual(await hear("in", { rooms: [unique("empty"), unique("empty")] }, "news", 1), [[], [], [], []]);
  });

  direction.operation("emit to one socket by its id", async (t) => {
    const { hear, receivers } = await scene(direction, t);
    assert.deepEqual(await hear("in", { rooms: receivers[1].id }, "news", 1), [[], [1], [], []]);
  });

  direction.operation("emit except a room", async (t) => {
    const { hear, one, receivers } = await scene(direction, t);
    assert.deepEqual(await hear("in", { except: one }, "news", 1), [[], [], [1], [1]]);
    assert.deepEqual(await hear("in", { except: [one, receivers[2].id] }, "news", 1), [[], [], [], [1]]);
  });

  direction.operation("emit to a room except another", async (t) => {
    const { hear, one, two } = await scene(direction, t);
    assert.deepEqual(await hear("in", { rooms: one, except: two }, "news", 1), [[1], [], [], []]);
  });

  direction.operation("volatile", async (t) => {
    const { hear, one } = await scene(direction, t);
    assert.deepEqual(await hear("in", { volatile: true }, "news", 1), [[1], [1], [1], [1]]);
    assert.deepEqual(await hear("in", { volatile: true, rooms: one }, "news", 1), [[1], [1], [], []]);
  });

  direction.operation("socket.broadcast leaves the sender out", async (t) => {
    const { hear } = await scene(direction, t);
    assert.deepEqual(await hear("broadcast", "news", 1), [[1], [1], [1], []]);
  });

  direction.operation("socket.to(room) leaves the sender out", async (t) => {
    const { sender, hear, one, two } = await scene(direction, t);
    await ask(sender, "join", one);
    assert.deepEqual(await hear("to", { rooms: one }, "news", 1), [[1], [1], [], []]);
    assert.deepEqual(await hear("to", { rooms: one, except: two }, "news", 1), [[1], [], [], []]);
  });

  direction.operation("local stays", async (t) => {
    const { hear } = await scene(direction, t);
    assert.deepEqual(await hear("in", { local: true }, "news", 1), [[], [], [], [1]]);
  });
}

function declareNamespaces(direction) {
  direction.operation("another namespace", async (t) => {
    const { sender, receivers, hear } = await scene(direction, t);
    const custom = await Promise.all([...receivers, sender].map((socket) => alsoIn(socket, "/custom")));
    const logs = custom.map((socket) => collect(socket, "news"));
    const hearCustom = async (from, ...cause) => {
      from.emit(...cause);
      await settle(custom.at(-1), custom);
      return logs.map((log) => log.splice(0).flat());
    };
    assert.deepEqual(await hearCustom(custom.at(-1), "emit-all", "news", 1), [[1], [1], [1], [1]]);
    const room = unique("room");
    await ask(custom[0], "join", room);
    assert.deepEqual(await hearCustom(custom.at(-1), "in", { rooms: room }, "news", 2), [[2], [], [], []]);
    assert.deepEqual(await hearCustom(sender, "io-emit", "/custom", "news", 3), [[3], [3], [3], [3]]);
    assert.deepEqual(await hear("emit-all", "news", 4), [[4], [4], [4], [4]]);
    assert.deepEqual(logs.map((log) => [...log]), [[], [], [], []]);
  });

  direction.operation("a namespace that its first client makes", async (t) => {
    const sockets = await direction.pair(t);
    const name = `/dynamic-${direction.hereIndex}`;
    const dynamic = await Promise.all(sockets.map((socket) => alsoIn(socket, name)));
    await direction.cluster().redis.servers(2, direction.cluster().key, [name]);
    for (const [index, socket] of dynamic.entries()) {
      const heard = Promise.all(dynamic.map((socket) => next(socket, "news")));
      socket.emit("emit-all", "news", index);
      assert.deepEqual(await heard, [[index], [index]]);
    }
  });
}

function declareRoomNames(direction) {
  direction.operation("names of rooms are any text", async (t) => {
    const { receivers, hear } = await scene(direction, t);
    for (const room of ODD_ROOMS) {
      await ask(receivers[0], "join", room);
      const name = JSON.stringify(room);
      assert.deepEqual(await hear("in", { rooms: room }, "news", room), [[room], [], [], []], `room ${name}`);
      assert.deepEqual(await hear("in", { except: room }, "news", 1), [[], [1], [1], [1]], `all but ${name}`);
      await ask(receivers[0], "leave", room);
    }
  });

  // Rooms that are numbers come from JavaScript callers alone.
  if (isNode(direction.hereKind)) {
    direction.operation("rooms may be numbers", async (t) => {
      const { receivers, hear } = await scene(direction, t);
      const rooms = [42, -7];
      await ask(receivers[0], "join", isNode(direction.thereKind) ? rooms : rooms.map(String));
      assert.deepEqual(await hear("in", { rooms: 42 }, "news", 1), [[1], [], [], []]);
      assert.deepEqual(await hear("in", { rooms }, "news", 2), [[2], [], [], []]);
      assert.deepEqual(await hear("in", { except: -7 }, "news", 3), [[], [3], [3], [3]]);
    });
  }
}

function declareArguments(direction) {
  direction.operation("any arguments arrive as they were", async (t) => {
    const { receivers, sender } = await scene(direction, t);
    const log = collect(receivers[0], "values");
    for (const value of VALUES) sender.emit("emit-all", "values", value, [value], { value });
    await settle(sender, receivers);
    assert.equal(log.length, VALUES.length);
    VALUES.forEach((value, index) => assert.deepEqual(log[index], [value, [value], { value }]));
  });

  direction.operation("no arguments, and many", async (t) => {
    const { receivers, sender } = await scene(direction, t);
    const log = collect(receivers[0], "values");
    sender.emit("emit-all", "values");
    sender.emit("emit-all", "values", ...VALUES);
    await settle(sender, receivers);
    assert.deepEqual([...log], [[], VALUES]);
  });

  direction.operation("a Date arrives as its ISO text", async (t) => {
    const { hear } = await scene(direction, t);
    const date = new Date(1_700_000_000_123);
    assert.deepEqual((await hear("emit-all", "news", date))[0], ["2023-11-14T22:13:20.123Z"]);
  });

  direction.operation("binary data, deep inside", async (t) => {
    const { hear } = await scene(direction, t);
    for (const length of [0, 1, 255, 256, 65_535, 65_536]) {
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
      const value = { a: bytes, list: ["x", bytes, { deep: [[bytes]] }], n: null };
      const heard = await hear("emit-all", "news", value, bytes);
      for (const args of heard) assert.deepEqual(args, [value, bytes]);
    }
  });

  direction.operation("binary data over each transport", async (t) => {
    const [sender] = await direction.clientsHere(t, 1);
    for (const way of WAYS) {
      const receiver = await connected(t, direction.there, way);
      const heard = next(receiver, "news");
      const args = [Buffer.from([1, 2]), { deep: [Buffer.alloc(300, 7), "ü"] }];
      sender.emit("in", { rooms: receiver.id }, "news", ...args);
      assert.deepEqual(await heard, args);
    }
  });

  direction.operation("long texts and lists", async (t) => {
    const { hear } = await scene(direction, t);
    const list = Array.from({ length: 70_000 }, (_, index) => index % 200);
    const map = Object.fromEntries(list.slice(0, 1_000).map((_, index) => [`key ${index}`, index]));
    assert.deepEqual((await hear("emit-all", "news", LONG_TEXT, list, map))[0], [LONG_TEXT, list, map]);
  });
}

function declareOrder(direction) {
  direction.operation("order, and each once", async (t) => {
    const { receivers, one, two, sender } = await scene(direction, t);
    const log = collect(receivers[1], "values");
    const ways = [{}, { rooms: one }, { rooms: [one, two] }, { except: unique("empty") }];
    for (let index = 0; index < 500; index++) sender.emit("in", ways[index % ways.length], "values", index);
    await settle(sender, receivers);
    assert.deepEqual(log.map(([index]) => index), Array.from({ length: 500 }, (_, index) => index));
  });
}
