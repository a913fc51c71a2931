// Operations: questions of one server to the others, and their answers; acknowledgements of clients on several servers.

import assert from "node:assert/strict";
import { alsoIn, ask, collect, settle } from "../clients.mjs";
import { settleBoth, unique } from "./cluster.mjs";

/** Time enough for an answer on a busy machine; nobody waits for it to pass. */
const PLENTY_MS = 10_000;
/** Time that must pass: clients that answer do so well within it. */
const SHORT_MS = 1_000;

export function declareRequests(direction) {
  declareCounts(direction);
  declareServerEvents(direction);
  declareAnswers(direction);
}

function declareCounts(direction) {
  direction.operation("count of servers", async (t) => {
    const [here] = await direction.clientsHere(t, 1);
    assert.equal(await ask(here, "server-count"), 2);
    assert.equal(await ask(await alsoIn(here, "/custom"), "server-count"), 2);
  });

  direction.operation("all rooms", async (t) => {
    const [here, there] = await direction.pair(t);
    const names = [unique("here"), unique("there #ü"), unique("both")];
    await ask(here, "join", [names[0], names[2]]);
    await ask(there, "join", [names[1], names[2]]);
    const rooms = await ask(here, "all-rooms");
    const expected = [...names, here.id, there.id].sort();
    assert.deepEqual(rooms.filter((room) => expected.includes(room)), expected);
    await ask(there, "leave", names[1]);
    assert.equal((await ask(here, "all-rooms")).includes(names[1]), false);
  });
}

function declareServerEvents(direction) {
  // The handler of such an event may emit on another thread than the next broadcast, so the test waits for it.
  direction.operation("an event for other servers", async (t) => {
    const [here, there] = await direction.pair(t);
    const [own, other] = [here, there].map((socket) => collect(socket, "sse-note"));
    const args = ["text ü", 1.5, { deep: [null, true] }];
    here.emit("server-side-emit", "sse-note", ...args);
    here.emit("server-side-emit", "sse-note");
    await settleBoth(here, there);
    assert.deepEqual([...own], []);
    assert.deepEqual([...(await other.until(2))], [[direction.thereName, ...args], [direction.thereName]]);
  });

  direction.operation("an event for other servers, in its namespace", async (t) => {
    const sockets = await direction.pair(t);
    const custom = await Promise.all(sockets.map((socket) => alsoIn(socket, "/custom")));
    const logs = [...sockets, ...custom].map((socket) => collect(socket, "sse-note"));
    custom[0].emit("server-side-emit", "sse-note", 1);
    await settleBoth(...custom);
    await settleBoth(...sockets);
    await logs[3].until(1);
    assert.deepEqual(logs.map((log) => [...log]), [[], [], [], [[direction.thereName, 1]]]);
  });

  direction.operation("an event unknown to other servers", async (t) => {
    const [here, there] = await direction.pair(t);
    here.emit("server-side-emit", "sse-unknown", 1);
    await settle(here, [there]);
  });

  direction.operation("an event for other servers, with answers", async (t) => {
    const [here] = await direction.clientsHere(t, 1);
    const arg = { text: "ü", list: [1, null] };
    const answers = [{ server: direction.thereName, arg }];
    assert.deepEqual(await ask(here, "server-side-emit-ack", "sse-ask", arg), [null, answers]);
    const many = await Promise.all([1, 2, 3].map((arg) => ask(here, "server-side-emit-ack", "sse-ask", arg)));
    many.forEach((answer, index) => {
      assert.deepEqual(answer, [null, [{ server: direction.thereName, arg: index + 1 }]]);
    });
  });

  direction.operation("an event for other servers, without answer in time", async (t) => {
    const [here] = await direction.clientsHere(t, 1);
    const [error, answers] = await ask(here, "server-side-emit-ack", "sse-mute");
    assert.equal(typeof error, "string");
    assert.deepEqual(answers, []);
  });
}

/** Two clients here and two there in one room, which answer a `question`. */
async function answering(direction, t) {
  const [here, there] = await Promise.all([direction.clientsHere(t, 2), direction.clientsThere(t, 2)]);
  const room = unique("room");
  const sockets = [...here, ...there];
  await Promise.all(sockets.map((socket) => ask(socket, "join", room)));
  const question = (sel, ...args) => ask(here[0], "broadcast-ack", { rooms: room, ...sel }, "question", ...args);
  return { room, sockets, question };
}

const byFirst = ([a], [b]) => a - b;

function declareAnswers(direction) {
  direction.operation("a broadcast collects all answers", async (t) => {
    const { sockets, question } = await answering(direction, t);
    sockets.forEach((socket, index) => socket.on("question", (arg, answer) => answer([index, arg], "second")));
    const bytes = { deep: [Buffer.from([1, 2, 3])] };
    const [error, answers] = await question({ timeout: PLENTY_MS }, bytes);
    assert.equal(error, null);
    assert.deepEqual(answers.sort(byFirst), [0, 1, 2, 3].map((index) => [index, bytes]));
    const [, fewer] = await question({ timeout: PLENTY_MS, except: [sockets[0].id, sockets[2].id] }, 7);
    assert.deepEqual(fewer.sort(byFirst), [[1, 7], [3, 7]]);
  });

  direction.operation("answers may be anything, or nothing", async (t) => {
    const { sockets, question } = await answering(direction, t);
    const given = [[], [null], ["ü 🦜"], [Buffer.alloc(70_000, 7)]];
    sockets.forEach((socket, index) => socket.on("question", (answer) => answer(...given[index])));
    const [error, answers] = await question({ timeout: PLENTY_MS });
    assert.equal(error, null);
    const rank = (answer) => (answer ?? "").length;
    assert.deepEqual(
      answers.map((answer) => answer ?? null).sort((a, b) => rank(a) - rank(b)),
      [null, null, "ü 🦜", Buffer.alloc(70_000, 7)],
    );
  });

  direction.operation("a broadcast to clients there alone collects their answers", async (t) => {
    const { sockets, question } = await answering(direction, t);
    sockets.forEach((socket, index) => socket.on("question", (answer) => answer(index)));
    const except = [sockets[0].id, sockets[1].id];
    const [error, answers] = await question({ timeout: PLENTY_MS, except });
    assert.deepEqual([error, answers.sort()], [null, [2, 3]]);
    assert.deepEqual(await question({ timeout: PLENTY_MS, rooms: sockets[3].id }), [null, [3]]);
  });

  direction.operation("a broadcast to nobody has no answers at once", async (t) => {
    const { question } = await answering(direction, t);
    assert.deepEqual(await question({ timeout: 10 * PLENTY_MS, rooms: unique("empty") }), [null, []]);
  });

  direction.operation("a broadcast's answers, without those that are late", async (t) => {
    const { sockets, question } = await answering(direction, t);
    sockets[0].on("question", (answer) => answer(0));
    sockets[2].on("question", (answer) => answer(2));
    const [error, answers] = await question({ timeout: SHORT_MS });
    assert.deepEqual([error, answers.sort()], ["operation has timed out", [0, 2]]);
  });
}
