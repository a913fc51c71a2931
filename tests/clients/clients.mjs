// Official clients for the three ways to reach a server, and the waits that tests share. Nothing here sleeps: a test
// waits for an event, and a missing event fails the test with a sentence that names it.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { io } from "socket.io-client";
import { WebSocket } from "ws";

const WAIT_MS = 10_000;

/** The ways to reach a server, each with the transport that a settled client ends up on. */
export const WAYS = [
  { name: "polling, then upgrade", transports: ["polling", "websocket"], settled: "websocket" },
  { name: "polling only", transports: ["polling"], settled: "polling" },
  { name: "websocket only", transports: ["websocket"], settled: "websocket" },
];

/** Declares the same tests once for each way. */
export function overEachWay(declare) {
  for (const way of WAYS) describe(way.name, () => declare(way));
}

/** What makes clients, for the official library `io` of a generation. */
export function makersOf(io) {
  /** A client that is not connected yet; it is closed when the test ends. `options` are the official client's. */
  function client(t, server, way, { nsp = "/", ...options } = {}) {
    const socket = io(server.url + nsp, {
      path: server.path,
      transports: way.transports,
      forceNew: true,
      reconnection: false,
      ...options,
    });
    // A manager without reconnection keeps nothing alive once it is closed.
    t.after(() => {
      socket.io.reconnection(false);
      socket.disconnect();
      socket.io.engine?.close();
    });
    return socket;
  }

  /** A connected client; where an upgrade is due, it has happened. */
  async function connected(t, server, way, options) {
    const socket = client(t, server, way, options);
    await Promise.all([isConnected(socket), isSettled(socket, way)]);
    return socket;
  }

  return { client, connected };
}

export const { client, connected } = makersOf(io);

/** `count` connected clients. */
export const severalConnected = (t, server, way, count, options) =>
  Promise.all(Array.from({ length: count }, () => connected(t, server, way, options)));

/** Another socket on the same connection. */
export async function alsoIn(socket, nsp, options) {
  const other = socket.io.socket(nsp, options);
  await isConnected(other);
  return other;
}

export function isConnected(socket) {
  return waitUntil(
    (done, fail) => {
      if (socket.connected) return done();
      socket.once("connect", done);
      socket.once("connect_error", ({ message, description }) => {
        fail(`no connection to ${socket.nsp}: ${message} (${description?.message ?? description})`);
      });
    },
    () => `no connection to ${socket.nsp}`,
  );
}

/** Waits until the session stands on the transport that the way leads to. */
export function isSettled(socket, way) {
  return waitUntil(
    (done) => {
      const look = () => {
        const engine = socket.io.engine;
        if (engine.transport.name === way.settled) return done();
        engine.once("upgrade", done);
      };
      if (socket.io.engine?.readyState === "open") look();
      else socket.io.once("open", look);
    },
    () => `still on ${socket.io.engine?.transport?.name}, not on ${way.settled}`,
  );
}

/** The arguments of the next event of that name, on a socket, manager, engine or WebSocket. */
export function next(emitter, event) {
  return waitUntil(
    (done) => emitter.once(event, (...args) => done(args)),
    () => `no "${event}" came`,
  );
}

/** Keeps the arguments of every event of that name; `until(n)` waits for n of them and returns all. */
export function collect(socket, event) {
  const all = [];
  const waiting = new Set();
  socket.on(event, (...args) => {
    all.push(args);
    for (const wake of waiting) wake();
  });
  all.until = (count) =>
    waitUntil(
      (done) => {
        const look = () => {
          if (all.length < count) return;
          waiting.delete(look);
          done(all);
        };
        waiting.add(look);
        look();
      },
      () => `only ${all.length} of ${count} "${event}" came`,
    );
  return all;
}

/** The acknowledgement's first argument. */
export async function ask(socket, event, ...args) {
  return (await askAll(socket, event, ...args))[0];
}

/** All arguments of the acknowledgement. */
export function askAll(socket, event, ...args) {
  return waitUntil(
    (done, fail) => {
      const lost = (reason) => fail(`"${event}" was not acknowledged, but the connection lost: ${reason}`);
      socket.once("disconnect", lost);
      socket.emit(event, ...args, (...answer) => {
        socket.off("disconnect", lost);
        done(answer);
      });
    },
    () => `"${event}" was not acknowledged (connected: ${socket.connected})`,
  );
}

let fences = 0;

/** Waits until all earlier messages of `sender` have reached the receivers: order is kept per sender and socket. */
export async function settle(sender, receivers) {
  const fence = `fence-${++fences}`;
  const passed = Promise.all(receivers.map((receiver) => next(receiver, fence)));
  sender.emit("emit-all", fence);
  await passed;
}

/**
 * What the server saw when the socket tracked under this key left: `{rooms, reasons}`. Call it before the cause; the
 * observer is another client of the same namespace.
 */
export async function farewell(observer, key) {
  const rooms = await waitUntil(
    (done) => {
      observer.on("rooms-at-disconnecting", (of, rooms) => {
        if (of === key) done(rooms);
      });
    },
    () => `the server did not see the socket of "${key}" leave`,
  );
  // The server notes it just after the announcement, perhaps on another thread.
  let reasons = [];
  while (reasons.length === 0) reasons = await ask(observer, "reason", key);
  return { rooms, reasons };
}

/** A bare WebSocket that speaks Engine.IO by hand. `packets` collects what it receives. */
export function rawWebSocket(t, server, { query = "EIO=4&transport=websocket", headers } = {}) {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}${endpoint(server)}?${query}`, { headers });
  t.after(() => socket.terminate());
  socket.on("error", () => {});
  const packets = collect(socket, "message");
  socket.packets = packets;
  /** Waits for the first packet, from now back to the beginning, that starts with this text. */
  socket.packet = async (start) => {
    for (let count = 1; ; count++) {
      const text = String((await packets.until(count))[count - 1][0]);
      if (text.startsWith(start)) return text;
    }
  };
  return socket;
}

/** A bare WebSocket that has joined the main namespace and answers no ping. */
export async function rawJoined(t, server) {
  const socket = rawWebSocket(t, server);
  await socket.packet("0{");
  socket.send("40");
  await socket.packet("40{");
  return socket;
}

/** The server's Engine.IO path as it stands in requests, with its trailing slash. */
const endpoint = (server) => server.path.replace(/\/?$/, "/");

/** A request under the server's Engine.IO path. */
export const request = (server, query, options) => fetch(`${server.url}${endpoint(server)}?${query}`, options);

/** A new polling session: its `open` packet's content. */
export async function pollingSession(server) {
  const response = await request(server, "EIO=4&transport=polling");
  return JSON.parse((await response.text()).slice(1));
}

/** A polling session by hand that has joined the main namespace and has nothing left to fetch. */
export async function pollingJoined(server) {
  const { sid } = await pollingSession(server);
  const query = `EIO=4&transport=polling&sid=${sid}`;
  const post = (body) => request(server, query, { method: "POST", body });
  const poll = async (options) => (await request(server, query, options)).text();
  await post("40");
  let received = "";
  while (!received.includes('42["auth"')) received += await poll();
  return { sid, post, poll };
}

function waitUntil(executor, describeFailure) {
  // Made here, so that a failure shows the test's line.
  const failure = new Error();
  return new Promise((resolve, reject) => {
    const fail = (message) => {
      clearTimeout(timer);
      failure.message = message;
      reject(failure);
    };
    const timer = setTimeout(() => fail(`${describeFailure()} within ${WAIT_MS} ms`), WAIT_MS);
    const done = (value) => {
      clearTimeout(timer);
      resolve(value);
    };
    executor(done, fail);
  });
}
