// A Redis for one test: on a free port, without persistence, in a folder that is removed with it. It can be killed,
// frozen and started again on its port; `client` is a connection that comes back each time.

import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis as Ioredis } from "ioredis";
import { createClient } from "redis";
import { collect } from "../clients.mjs";
import { claimPort } from "../server.mjs";

const SUBSCRIBED_WITHIN_MS = 10_000;
const RETRY_MS = 20;
/** The channel of the fence: a message that proves that all earlier ones were seen. */
const MARK = "mark";

export class Redis {
  #marked = 0;

  /** A port on which Redis will be, and nothing runs yet. */
  static async absent() {
    return new Redis(await claimPort(), await mkdtemp(join(tmpdir(), "kinglet-redis-")));
  }

  static async start() {
    const redis = await Redis.absent();
    await redis.start();
    return redis;
  }

  constructor(port, folder) {
    this.url = `redis://127.0.0.1:${port}`;
    this.port = port;
    this.folder = folder;
    this.clients = [];
    this.leaving = [];
    process.once("exit", () => this.child?.kill("SIGKILL"));
  }

  /** Returns when it answers. */
  async start() {
    const settings = { port: this.port, bind: "127.0.0.1", dir: this.folder, save: "", appendonly: "no" };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    this.child = spawn("redis-server", args, { stdio: "ignore" });
    this.exited = once(this.child, "exit");
    this.client ??= await this.connect();
    await this.client.ping();
  }

  async connect() {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: RETRY_MS } });
    client.on("error", () => {});
    this.clients.push(client);
    this.leaving.push(() => client.disconnect());
    await client.connect();
    return client;
  }

  /** Kills it with SIGKILL. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  freeze() {
    this.child.kill("SIGSTOP");
  }

  thaw() {
    this.child.kill("SIGCONT");
  }

  async end() {
    for (const leave of this.leaving) await leave();
    this.thaw();
    await this.kill();
    await rm(this.folder, { recursive: true });
  }

  publish(channel, message) {
    return this.client.publish(channel, message);
  }

  /** Waits until this number of servers takes requests of each namespace. They take everything else before that. */
  async servers(count, key = "socket.io", namespaces = ["/", "/custom"]) {
    const channels = namespaces.map((nsp) => `${key}-request#${nsp}#`);
    const deadline = Date.now() + SUBSCRIBED_WITHIN_MS;
    for (;;) {
      const found = await this.client.pubSubNumSub(channels);
      if (channels.every((channel) => found[channel] === count)) return;
      if (Date.now() > deadline) throw new Error(`${count} servers do not subscribe, but ${JSON.stringify(found)}`);
      await delay(RETRY_MS);
    }
  }

  /** Returns when a listener has seen all earlier messages; `marks` emits the marks that it sees. */
  async passed(marks) {
    const mark = String(++this.#marked);
    const seen = once(marks, mark);
    await this.publish(MARK, mark);
    await seen;
  }

  /** The channels of all messages from now on, if they fit this pattern. */
  async channels(pattern) {
    const channels = [];
    const marks = new EventEmitter();
    const client = await this.connect();
    await client.pSubscribe(pattern, (_, channel) => channels.push(channel));
    await client.subscribe(MARK, (mark) => marks.emit(mark));
    return {
      /** Those so far that have not been taken yet. */
      taken: async () => {
        await this.passed(marks);
        return channels.splice(0);
      },
    };
  }

  /** The messages from now on to this channel, which then counts one subscriber more, until `end` is called. */
  async messages(channel) {
    const messages = new EventEmitter();
    const all = collect(messages, "message");
    const client = await this.connect();
    await client.subscribe(channel, (message) => messages.emit("message", message), true);
    return {
      until: async (count) => (await all.until(count)).map(([message]) => message),
      end: () => client.unsubscribe(channel),
    };
  }

  /** The commands of all clients but this object's own, from now on. */
  async monitor() {
    const own = new Set();
    for (const client of this.clients) {
      const info = await client.sendCommand(["CLIENT", "INFO"]);
      own.add(/ addr=(\S+)/.exec(info)[1]);
    }
    const connection = new Ioredis(this.port, "127.0.0.1");
    const monitor = await connection.monitor();
    connection.disconnect();
    this.leaving.push(() => monitor.disconnect());
    const commands = [];
    const marks = new EventEmitter();
    monitor.on("monitor", (_, [name, ...words], source) => {
      if (words[0] === MARK) marks.emit(words[1]);
      else if (!own.has(source)) commands.push([name.toLowerCase(), ...words]);
    });
    return {
      /** The commands so far that have not been taken yet: lists of words, the first in lower case. */
      taken: async () => {
        await this.passed(marks);
        return commands.splice(0);
      },
    };
  }
}
