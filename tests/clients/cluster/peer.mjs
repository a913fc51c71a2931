// The conformance application on Node: the part of `examples/conformance.rs` that clusters need, with the Node server
// and its Redis adapter. `node peer.mjs <kind>`; settings come from the environment, as for its twin.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);
const { env } = process;

/** The kinds: a version of the adapter, and the Redis client below it. */
const KINDS = {
  node8: { adapter: "@socket.io/redis-adapter", connect: byRedis },
  node7: { adapter: "redis-adapter-7", connect: byRedis },
  ioredis: { adapter: "@socket.io/redis-adapter", connect: byIoredis },
};

const { adapter, connect } = KINDS[process.argv[2]];
const { createAdapter } = require(adapter);
const server = createServer((_, response) => response.end("all good"));
const io = new Server(server, {
  path: env.CONFORMANCE_PATH ?? "/websockets",
  adapter: createAdapter(connect(), connect(), {
    key: env.CONFORMANCE_REDIS_KEY ?? "socket.io",
    requestsTimeout: Number(env.CONFORMANCE_REQUESTS_TIMEOUT ?? 2000),
    publishOnSpecificResponseChannel: env.CONFORMANCE_SPECIFIC_RESPONSE === "1",
  }),
});
const name = env.CONFORMANCE_NAME ?? `node-${process.pid}`;

io.of(/^\/dynamic-\d+$/).on("connection", (socket) => {
  socket.on("emit-all", (...event) => socket.nsp.emit(...event));
});
for (const nsp of [io.of("/"), io.of("/custom")]) {
  nsp.on("sse-note", (...args) => nsp.local.emit("sse-note", name, ...args));
  nsp.on("sse-ask", (arg, answer) => answer({ server: name, arg }));
  nsp.on("sse-mute", () => {});
  nsp.on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    for (const handlers of [own(socket), broadcasts(nsp, socket), remote(nsp), fetched(nsp), old(nsp), servers(nsp)]) {
      for (const [event, handler] of Object.entries(handlers)) socket.on(event, guarded(handler));
    }
  });
}
// The adapter leaves promises of commands unhandled that fail when Redis goes.
process.on("unhandledRejection", complain);
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(env.PORT ?? 3000), "127.0.0.1");

/** Events that concern only the sender. */
function own(socket) {
  const rooms = () => [...socket.rooms].sort();
  return {
    message: (...args) => void socket.emit("message-back", ...args),
    "message-with-ack": (...args) => args.pop()(...args),
    join: (wanted, ack) => {
      socket.join(wanted);
      ack?.(rooms());
    },
    leave: (room, ack) => {
      socket.leave(room);
      ack?.(rooms());
    },
    rooms: (ack) => ack(rooms()),
    whoami: (ack) => ack({ id: socket.id, nsp: socket.nsp.name, server: name }),
    "set-data": (data, ack) => {
      socket.data = data;
      ack?.("ok");
    },
    "disconnect-me": (close) => void socket.disconnect(close),
  };
}

function broadcasts(nsp, socket) {
  return {
    "message-from-client": (...args) => void socket.broadcast.emit("message-from-client", ...args),
    broadcast: (...event) => void socket.broadcast.emit(...event),
    to: (sel, ...event) => void selected(socket.broadcast, sel).emit(...event),
    in: (sel, ...event) => void selected(nsp.compress(true), sel).emit(...event),
    "emit-all": (...event) => void nsp.emit(...event),
    "io-emit": (to, ...event) => void io.of(to).emit(...event),
    "broadcast-ack": (sel, ...event) => {
      const ack = event.pop();
      selected(nsp.compress(true), sel)
        .timeout(sel.timeout)
        .emit(...event, (error, answers) => ack([error && error.message, answers]));
    },
  };
}

/** Many sockets, wherever they are. */
function remote(nsp) {
  return {
    "fetch-sockets": async (sel, ack) => {
      const sockets = await selected(nsp.compress(true), sel).fetchSockets();
      const described = sockets.map(({ id, rooms, data, handshake }) => {
        return { id, rooms: [...rooms].sort(), data, auth: handshake.auth ?? {} };
      });
      ack(described.sort((a, b) => (a.id < b.id ? -1 : 1)));
    },
    "sockets-join": (sel, room, ack) => {
      selected(nsp.compress(true), sel).socketsJoin(room);
      ack?.("ok");
    },
    "sockets-leave": (sel, room, ack) => {
      selected(nsp.compress(true), sel).socketsLeave(room);
      ack?.("ok");
    },
    "disconnect-sockets": (sel, close, ack) => {
      ack?.("ok");
      selected(nsp.compress(true), sel).disconnectSockets(close);
    },
  };
}

/** Events that the twin does not have: operations on a socket that the program has looked up. */
function fetched(nsp) {
  const socket = async (id) => (await nsp.in(id).fetchSockets())[0];
  return {
    "fetch-handshake": async (id, ack) => ack((await socket(id)).handshake),
    "ask-fetched": async (id, timeout, ...event) => {
      const ack = event.pop();
      ack(await (await socket(id)).timeout(timeout).emitWithAck(...event));
    },
  };
}

/** Requests that adapters before 8 send, and later ones do not. */
function old(nsp) {
  return {
    "all-sockets": async (ack) => ack([...(await nsp.allSockets())].sort()),
    "remote-join": async (id, room, ack) => ack((await nsp.adapter.remoteJoin(id, room)) ?? "ok"),
    "remote-leave": async (id, room, ack) => ack((await nsp.adapter.remoteLeave(id, room)) ?? "ok"),
    "remote-disconnect": async (id, close, ack) => ack((await nsp.adapter.remoteDisconnect(id, close)) ?? "ok"),
  };
}

/** The servers of the cluster. */
function servers(nsp) {
  return {
    "server-side-emit": (...event) => void nsp.serverSideEmit(...event),
    "server-side-emit-ack": (...event) => {
      const ack = event.pop();
      nsp.serverSideEmit(...event, (error, answers) => ack([error && error.message, answers]));
    },
    "server-count": async (ack) => ack(await nsp.adapter.serverCount()),
    "all-rooms": async (ack) => ack([...(await nsp.adapter.allRooms())].sort()),
  };
}

function selected(operator, { rooms = [], except = [], local, volatile }) {
  const chosen = operator.in(rooms).except(except);
  const here = local ? chosen.local : chosen;
  return volatile ? here.volatile : here;
}

/** A handler. The client gets its failure in the acknowledgement, if it asked for one. */
function guarded(handler) {
  return async (...args) => {
    try {
      await handler(...args);
    } catch (error) {
      complain(error);
      const ack = args.at(-1);
      if (typeof ack === "function") ack({ error: error.message });
    }
  };
}

/** Standard error tells whether anything was wrong here. */
function complain(error) {
  console.error("complaint:", error);
}

function byRedis() {
  const { createClient } = require("redis");
  const client = createClient({ url: env.REDIS_URL, socket: { reconnectStrategy: 50 } });
  client.on("error", complain);
  client.connect();
  return client;
}

function byIoredis() {
  const { Redis } = require("ioredis");
  const client = new Redis(env.REDIS_URL, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on("error", complain);
  return client;
}
