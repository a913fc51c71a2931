// Starts the binaries under test, each on a port of its own, and ends them by pid.

import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { get } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const STARTS_WITHIN_MS = 10_000;
const ENDS_WITHIN_MS = 10_000;
const ATTEMPTS = 5;

/** The conformance application. `env` holds its `CONFORMANCE_*` settings. */
export const startConformance = (options) => start(named("KINGLET_CONFORMANCE"), options);

/** The starter application. */
export const startStarter = (options) => start(named("KINGLET_BIN"), options);

/** The example of that name, from the folder of examples. */
export const startExample = (name, options) =>
  start(join(named("KINGLET_EXAMPLES"), name), { path: "/socket.io", ...options });

function named(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} must name what is under test`);
  return value;
}

/** Any program that serves on `PORT`; `args` are its arguments. */
export async function start(program, options = {}) {
  const { args = [], env = {}, port: wanted, path = env.CONFORMANCE_PATH ?? "/websockets" } = options;
  for (let attempt = 1; ; attempt++) {
    const server = new Server([program, ...args], env, wanted ?? (await claimPort()), path);
    try {
      await server.accepts();
      return server;
    } catch (error) {
      server.child.kill("SIGKILL");
      await server.exited;
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

class Server {
  constructor([program, ...args], env, port, path) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.path = path;
    this.stdout = "";
    this.stderr = "";
    // Clients that outlive a test would hold up the end of its server.
    const settings = { KINGLET_DRAIN: "0", ...env, PORT: String(port) };
    this.child = spawn(program, args, { env: { ...process.env, ...settings } });
    this.child.stdout.setEncoding("utf8").on("data", (text) => (this.stdout += text));
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.stderr += text));
    this.exited = new Promise((resolve) => {
      this.child.on("error", (error) => resolve({ code: null, signal: null, error }));
      this.child.on("close", (code, signal) => resolve({ code, signal }));
    });
    // A test runner that dies takes its servers along.
    this.onRunnerExit = () => this.child.kill("SIGKILL");
    process.once("exit", this.onRunnerExit);
    this.exited.then(() => process.off("exit", this.onRunnerExit));
  }

  get pid() {
    return this.child.pid;
  }

  /** Waits until `GET /` is answered with 200. Fails when the server ends before, or takes too long. */
  async accepts() {
    const deadline = Date.now() + STARTS_WITHIN_MS;
    const ended = this.exited.then((exit) => {
      throw new Error(`the server ended before it accepted: ${JSON.stringify(exit)}\n${this.stderr}`);
    });
    for (;;) {
      const status = await Promise.race([statusOf(this.url), ended]);
      if (status === 200) return;
      if (Date.now() > deadline) throw new Error(`no 200 from GET / in time, but ${status}\n${this.stderr}`);
      await Promise.race([delay(10), ended]);
    }
  }

  signal(name) {
    this.child.kill(name);
  }

  /** Sends the signal and returns how the process ended: `{code, signal}`. */
  async stop(signal = "SIGTERM") {
    this.child.kill("SIGCONT");
    this.child.kill(signal);
    const late = new AbortController();
    const exit = await Promise.race([this.exited, delay(ENDS_WITHIN_MS, null, { signal: late.signal, ref: false })]);
    late.abort();
    if (!exit) {
      this.child.kill("SIGKILL");
      await this.exited;
      throw new Error(`the server was still there ${ENDS_WITHIN_MS} ms after ${signal}\n${this.stderr}`);
    }
    return exit;
  }

  /** Ends the server and fails unless it lived until now, without a panic or a word on standard output. */
  async stopSound() {
    const exit = this.child.exitCode ?? this.child.signalCode;
    if (exit !== null) throw new Error(`the server died during the tests: ${exit}\n${this.stderr}`);
    const { code, signal } = await this.stop();
    if (code !== 0) throw new Error(`exit code ${code} (signal ${signal}) after SIGTERM instead of 0\n${this.stderr}`);
    if (this.stderr.includes("panicked at")) throw new Error(`the server panicked:\n${this.stderr}`);
    if (this.stdout) throw new Error(`unexpected standard output: ${this.stdout}`);
  }
}

/**
 * A free TCP port that no other test process will choose as long as this one lives: the UDP port of the same number is
 * its claim. Without it two servers that listen with SO_REUSEPORT could share one port and never notice.
 */
export async function claimPort() {
  for (;;) {
    const claim = createSocket("udp4").unref();
    claim.bind(0, "127.0.0.1");
    await once(claim, "listening");
    const { port } = claim.address();
    if (await isFree(port)) return port;
  }
}

async function isFree(port) {
  const probe = createServer();
  probe.listen({ port, host: "0.0.0.0", exclusive: true });
  try {
    await once(probe, "listening");
  } catch {
    return false;
  }
  await new Promise((resolve) => probe.close(resolve));
  return true;
}

function statusOf(url) {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.on("error", (error) => resolve(error.code ?? error.message));
  });
}
