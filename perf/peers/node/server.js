// The starter's application on Node, tuned as Socket.IO's pages on performance and memory advise: `ws` with its native
// add-on, the first HTTP request of each session let go, Express in production mode (NODE_ENV). With REDIS_URL it is one of
// several instances, by the Redis adapter.

import { createServer } from "node:http";
import express from "express";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";

const app = express();
app.get("/", (_, response) => response.send("all good"));

const server = createServer(app);
const io = new Server(server, {
  path: "/websockets",
  transports: ["websocket", "polling"],
  wsEngine: WebSocketServer,
});

io.engine.on("connection", (session) => {
  session.request = null;
});

if (process.env.REDIS_URL) {
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const { createClient } = await import("redis");
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

io.on("connection", (socket) => {
  socket.on("message-from-client", (...args) => socket.broadcast.emit("message-from-client", ...args));
  socket.on("message-with-ack", (...args) => {
    const ack = args.pop();
    ack(...args);
  });
});

server.listen({ port: Number(process.env.PORT ?? 3000), host: "0.0.0.0", backlog: 4096 });
process.on("SIGTERM", () => process.exit(0));
