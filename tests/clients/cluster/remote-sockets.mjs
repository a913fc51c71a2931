// Operations: sockets of another server found, moved between rooms, disconnected.

import assert from "node:assert/strict";
import { alsoIn, ask, next, settle } from "../clients.mjs";
import { connectedTo, isNode, settleBoth, unique } from "./cluster.mjs";

/** Time enough for an answer on a busy machine; nobody waits for it to pass. */
const PLENTY_MS = 10_000;

export function declareRemoteSockets(direction) {
  declareMoves(direction);
  declareDisconnections(direction);
  declareFetches(direction);
  if (isNode(direction.hereKind)) declareFetched(direction);
  if (direction.hereKind === "node7") declareOldRequests(direction);
}

/** Two clients here and two there, one of each in a room. */
async function scene(direction, t) {
  const [here, there] = await Promise.all([direction.clientsHere(t, 2), direction.clientsThere(t, 2)]);
  const room = unique("room");
  await Promise.all([here[0], there[0]].map((socket) => ask(socket, "join", room)));
  /** The rooms of the sockets beside their own, once all requests have been carried out. */
  const joined = async () => {
    // To each of them: sockets of one server may stand on different threads.
    await settle(here[0], there);
    await settle(there[0], here);
    const lists = await Promise.all([...here, ...there].map((socket) => ask(socket, "rooms")));
    return lists.map((rooms, index) => rooms.filter((name) => name !== [...here, ...there][index].id));
  };
  return { here, there, room, joined };
}

function declareMoves(direction) {
  direction.operation("sockets join", async (t) => {
    const { here, there, room, joined } = await scene(direction, t);
    const added = unique("added");
    assert.equal(await ask(here[1], "sockets-join", { rooms: room }, added), "ok");
    assert.deepEqual(await joined(), [[added, room], [], [added, room], []].map((rooms) => rooms.sort()));
    await ask(here[1], "sockets-join", { rooms: room, except: there[0].id }, unique("less"));
    const [own, , remote] = await joined();
    assert.deepEqual([own.length, remote.length], [3, 2]);
    const heard = next(there[0], "news");
    here[1].emit("in", { rooms: added }, "news", 1);
    assert.deepEqual(await heard, [1]);
  });

  direction.operation("one socket joins, by its id", async (t) => {
    const { here, there, room, joined } = await scene(direction, t);
    await ask(here[0], "sockets-join", { rooms: there[1].id }, "added");
    assert.deepEqual(await joined(), [[room], [], [room], ["added"]]);
  });

  direction.operation("sockets leave", async (t) => {
    const { here, there, room, joined } = await scene(direction, t);
    assert.equal(await ask(here[1], "sockets-leave", { rooms: room }, room), "ok");
    assert.deepEqual(await joined(), [[], [], [], []]);
  });
}

function declareDisconnections(direction) {
  for (const close of [false, true]) {
    const connections = close ? "and their connections" : "their connections stay";
    direction.operation(`sockets are disconnected, ${connections}`, async (t) => {
      const { here, there, room } = await scene(direction, t);
      const selected = [here[0], there[0]];
      const custom = await Promise.all(selected.map((socket) => alsoIn(socket, "/custom")));
      const left = Promise.all(selected.map((socket) => next(socket, "disconnect")));
      const closed = close && Promise.all(selected.map((socket) => next(socket.io, "close")));
      assert.equal(await ask(here[1], "disconnect-sockets", { rooms: room }, close), "ok");
      for (const [reason] of await left) assert.equal(reason, "io server disconnect");
      if (close) await closed;
      else for (const socket of custom) assert.equal((await ask(socket, "whoami")).id, socket.id);
      assert.deepEqual([here[1], there[1]].map((socket) => socket.connected), [true, true]);
    });
  }

  direction.operation("one socket is disconnected, by its id", async (t) => {
    const { here, there } = await scene(direction, t);
    const left = next(there[1], "disconnect");
    here[0].emit("disconnect-sockets", { rooms: there[1].id }, true);
    assert.deepEqual((await left)[0], "io server disconnect");
    await settleBoth(here[0], there[0]);
  });
}

function declareFetches(direction) {
  direction.operation("sockets are fetched: ids, rooms, data, auth", async (t) => {
    const room = unique("room");
    const [near, far] = await Promise.all([
      connectedTo(t, direction.here, { auth: { name: "near" } }),
      connectedTo(t, direction.there, { auth: { name: "far ü", list: [1, null] } }),
    ]);
    const [plain] = await direction.clientsThere(t, 1);
    await Promise.all([near, far, plain].map((socket) => ask(socket, "join", [room, "#ü"])));
    const data = { level: 3, deep: [{ text: "🦜" }, null, 0.5] };
    await ask(far, "set-data", data);
    const sorted = (list) => list.sort((a, b) => (a.id < b.id ? -1 : 1));
    const rooms = ({ id }) => [id, room, "#ü"].sort();
    const farther = [
      { id: far.id, rooms: rooms(far), data, auth: { name: "far ü", list: [1, null] } },
      { id: plain.id, rooms: rooms(plain), data: {}, auth: {} },
    ];
    const all = [{ id: near.id, rooms: rooms(near), data: {}, auth: { name: "near" } }, ...farther];
    assert.deepEqual(await ask(near, "fetch-sockets", { rooms: room }), sorted([...all]));
    assert.deepEqual(await ask(near, "fetch-sockets", { rooms: room, except: near.id }), sorted([...farther]));
    assert.deepEqual(await ask(near, "fetch-sockets", { rooms: far.id }), [farther[0]]);
    assert.deepEqual(await ask(near, "fetch-sockets", { rooms: unique("empty") }), []);
    assert.deepEqual(await ask(near, "fetch-sockets", { rooms: room, local: true }), [all[0]]);
  });
}

/** Operations of a Node program on a socket that it has looked up. */
function declareFetched(direction) {
  direction.operation("a fetched socket's handshake has what Node's has", async (t) => {
    const [near, far] = await direction.pair(t, { query: { key: "value" }, extraHeaders: { "X-Header": "text" } });
    const handshake = await ask(near, "fetch-handshake", far.id);
    const { headers, time, address, xdomain, secure, issued, url, query, auth } = handshake;
    assert.equal(headers["x-header"], "text");
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
    assert.equal(address.replace("::ffff:", ""), "127.0.0.1");
    assert.deepEqual([xdomain, secure, auth], [false, false, {}]);
    assert.ok(Math.abs(issued - Date.now()) < 60_000, `${issued}`);
    assert.ok(url.startsWith(`${direction.there.path}/?`), url);
    assert.deepEqual([query.EIO, query.transport, query.key], ["4", "websocket", "value"]);
  });

  direction.operation("a fetched socket is asked, and answers alone", async (t) => {
    const [near, far] = await direction.pair(t);
    const bytes = Buffer.from([1, 2, 3]);
    for (const socket of [near, far]) socket.on("question", (arg, answer) => answer([socket.id, arg]));
    assert.deepEqual(await ask(near, "ask-fetched", far.id, PLENTY_MS, "question", bytes), [far.id, bytes]);
  });
}

/** Requests of older adapters, each about one socket by its id. */
function declareOldRequests(direction) {
  const declare = (name, run) => direction.operation(`${name}, as older servers ask`, run);

  declare("ids of all sockets", async (t) => {
    const [near, far] = await direction.pair(t);
    const ids = await ask(near, "all-sockets");
    assert.ok(ids.includes(near.id) && ids.includes(far.id), `${ids}`);
  });

  declare("a socket joins and leaves", async (t) => {
    const [near, far] = await direction.pair(t);
    assert.equal(await ask(near, "remote-join", far.id, "room #ü"), "ok");
    assert.deepEqual(await ask(far, "rooms"), [far.id, "room #ü"].sort());
    assert.equal(await ask(near, "remote-leave", far.id, "room #ü"), "ok");
    assert.deepEqual(await ask(far, "rooms"), [far.id]);
  });

  for (const close of [false, true]) {
    declare(`a socket is disconnected (${close})`, async (t) => {
      const [near, far] = await direction.pair(t);
      const custom = await alsoIn(far, "/custom");
      const left = next(far, "disconnect");
      const closed = close && next(far.io, "close");
      assert.equal(await ask(near, "remote-disconnect", far.id, close), "ok");
      assert.equal((await left)[0], "io server disconnect");
      if (close) await closed;
      else assert.equal((await ask(custom, "whoami")).id, custom.id);
    });
  }
}
