// A small balancer: new connections go round the healthy servers, and requests of a session go to the server that
// opened it. It looks only at the first request of a connection, which is enough for clients that open a connection for
// each request.

import { get } from "node:http";
import { connect, createServer } from "node:net";

const HEAD_END = "\r\n\r\n";

/** A balancer before servers as `server.mjs` starts them; `path` is theirs. */
export class Balancer {
  constructor(servers, path) {
    this.backends = servers.map(({ port }) => ({ port, healthy: true, opened: 0 }));
    this.path = path;
    this.turn = 0;
    this.homes = new Map();
    this.open = new Set();
    this.server = createServer((client) => this.accepted(client));
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.server.close();
    for (const socket of this.open) socket.destroy();
  }

  /** Checks a server's health, as balancers do, and takes it out of the round if it is unhealthy. Returns the status. */
  async check(server) {
    const status = await healthOf(server.port);
    this.backends.find(({ port }) => port === server.port).healthy = status === 200;
    return status;
  }

  accepted(client) {
    this.watch(client);
    let head = "";
    const look = (bytes) => {
      head += bytes.toString("latin1");
      if (!head.includes(HEAD_END)) return;
      client.off("data", look).pause();
      this.forward(client, head);
    };
    client.on("data", look);
  }

  forward(client, head) {
    const sid = /[?&]sid=([\w-]+)/.exec(head.split("\r\n", 1)[0])?.[1];
    const backend = this.homes.get(sid) ?? this.next();
    if (!backend) return client.destroy();
    backend.opened++;
    const upstream = this.watch(connect(backend.port, "127.0.0.1"));
    upstream.once("data", (bytes) => {
      const opened = /"sid":"([\w-]+)"/.exec(bytes.toString("latin1"))?.[1];
      if (!sid && opened) this.homes.set(opened, backend);
    });
    upstream.write(head, "latin1");
    client.pipe(upstream).pipe(client);
    for (const [one, other] of [[client, upstream], [upstream, client]]) one.on("close", () => other.destroy());
  }

  next() {
    const healthy = this.backends.filter(({ healthy }) => healthy);
    return healthy[this.turn++ % healthy.length];
  }

  watch(socket) {
    this.open.add(socket);
    return socket.on("close", () => this.open.delete(socket)).on("error", () => socket.destroy());
  }
}

/** The status of `GET /`, or the code of the error. */
export const healthOf = (port) =>
  new Promise((resolve) => {
    const request = get({ port, host: "127.0.0.1", agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", (error) => resolve(error.code));
  });
