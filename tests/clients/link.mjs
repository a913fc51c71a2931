// A slow link before a server. The relay is `link.py`: Node cannot keep the kernel from holding megabytes for it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const RELAY = fileURLToPath(new URL("link.py", import.meta.url));

/** A link of that many bytes a second, each way, for one test. It has the server's `path`, and a `url` of its own. */
export async function slowLink(t, server, bytesPerSecond) {
  const relay = spawn("python3", [RELAY, String(server.port), String(bytesPerSecond)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => relay.kill());
  const [port] = await once(relay.stdout, "data");
  return { path: server.path, url: `http://127.0.0.1:${String(port).trim()}` };
}
