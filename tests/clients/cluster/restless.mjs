// A balancer that never sticks: each request and each WebSocket goes to the next server that does not have its session. So
// none reaches the server that could answer it alone.

import { createServer, request as ask } from "node:http";
import { connect } from "node:net";

export class Restless {
  #turn = 0;
  #homes = new Map();
  #open = new Set();

  /** A balancer before servers as `server.mjs` starts them. `seen` counts requests by method, and upgrades. */
  constructor(servers) {
    this.servers = [...servers];
    this.path = servers[0].path;
    this.seen = { GET: 0, POST: 0, upgrade: 0 };
    this.http = createServer((request, answer) => this.#request(request, answer));
    this.http.on("upgrade", (request, client, head) => this.#upgrade(request, client, head));
    this.http.on("connection", (client) => this.#watch(client));
  }

  async start() {
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.http.address().port}`;
    return this;
  }

  stop() {
    this.http.close();
    for (const socket of this.#open) socket.destroy();
  }

  /** The server that has the session of an official client. */
  homeOf(socket) {
    return this.#homes.get(socket.io.engine.id);
  }

  #next(url) {
    const home = this.#homes.get(sidOf(url));
    const others = this.servers.length > 1 ? this.servers.filter((server) => server !== home) : this.servers;
    return others[this.#turn++ % others.length];
  }

  #request(request, answer) {
    this.seen[request.method]++;
    const server = this.#next(request.url);
    const { method, url, headers } = request;
    const passed = ask({ host: "127.0.0.1", port: server.port, agent: false, method, path: url, headers }, (response) => {
      answer.writeHead(response.statusCode, response.headers);
      response.on("data", (bytes) => this.#learn(request.url, server, bytes)).pipe(answer);
      response.on("error", () => answer.destroy());
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    request.pipe(passed);
  }

  #upgrade(request, client, head) {
    this.seen.upgrade++;
    const server = this.#next(request.url);
    const passed = this.#watch(connect(server.port, "127.0.0.1"));
    const lines = [`GET ${request.url} HTTP/1.1`];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    }
    passed.write(`${lines.join("\r\n")}\r\n\r\n`);
    passed.write(head);
    passed.once("data", (bytes) => this.#learn(request.url, server, bytes));
    client.pipe(passed).pipe(client);
    for (const [one, other] of [[client, passed], [passed, client]]) one.on("close", () => other.destroy());
  }

  /** Whoever answers a handshake has the session; one of protocol 4 moves where it upgrades. */
  #learn(url, server, bytes) {
    const answer = bytes.toString("latin1");
    const sid = sidOf(url);
    const opened = /"sid":"([\w-]+)","upgrades"/.exec(answer)?.[1];
    if (sid && url.includes("EIO=4") && answer.startsWith("HTTP/1.1 101 ")) this.#homes.set(sid, server);
    else if (opened && !sid) this.#homes.set(opened, server);
  }

  #watch(socket) {
    this.#open.add(socket);
    return socket.on("close", () => this.#open.delete(socket)).on("error", () => socket.destroy());
  }
}

const sidOf = (url) => /[?&]sid=([\w-]+)/.exec(url)?.[1];
