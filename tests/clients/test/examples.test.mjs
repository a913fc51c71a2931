// The examples, each with the official client.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ask, client, collect, connected, next, overEachWay, severalConnected, WAYS } from "../clients.mjs";
import { claimPort, startExample } from "../server.mjs";

async function started(t, name, options) {
  const server = await startExample(name, options);
  t.after(() => server.stopSound());
  return server;
}

describe("chat", () => {
  overEachWay((way) => {
    test("members hear others join, type, speak and leave", async (t) => {
      const server = await started(t, "chat");
      const [ada, grace] = await severalConnected(t, server, way, 2);
      const outsider = await connected(t, server, way);
      outsider.onAny((event) => assert.fail(`an outsider heard "${event}"`));
      assert.deepEqual(await ask(ada, "join", " Ada "), { users: 1 });
      const joined = next(ada, "joined");
      assert.deepEqual(await ask(grace, "join", "Grace"), { users: 2 });
      assert.deepEqual(await joined, ["Grace", 2]);
      const typing = collect(ada, "typing");
      // It is volatile, so a client between two polls misses it.
      while (typing.length === 0) {
        grace.emit("typing", true);
        await ask(grace, "join", "Grace");
      }
      assert.deepEqual(typing[0], ["Grace", true]);
      const said = next(ada, "said");
      assert.deepEqual(await ask(grace, "say", "Hello <b>"), {});
      assert.deepEqual(await said, ["Grace", "Hello <b>"]);
      const left = next(ada, "left");
      grace.disconnect();
      assert.deepEqual(await left, ["Grace", 1]);
      assert.deepEqual(await ask(outsider, "say", "unheard"), { error: "Join first." });
      assert.equal((await ask(ada, "say", "x".repeat(2_001))).error, "A message has at most 2000 characters.");
    });
  });

  test("a name that is taken, empty or too long is refused", async (t) => {
    const server = await started(t, "chat");
    const [first, second] = await severalConnected(t, server, WAYS[2], 2);
    await ask(first, "join", "Alan");
    assert.deepEqual(await ask(second, "join", "Alan"), { error: "This name is taken." });
    assert.deepEqual(await ask(first, "join", "Other"), { error: "You have a name already." });
    for (const name of ["", "  ", "x".repeat(25)]) {
      assert.deepEqual(await ask(second, "join", name), { error: "A name has 1 to 24 characters." });
    }
  });
});

describe("rooms", () => {
  overEachWay((way) => {
    test("only members hear others join, speak and leave", async (t) => {
      const server = await started(t, "rooms");
      const [ada, grace, alan] = await severalConnected(t, server, way, 3);
      alan.onAny((event) => assert.fail(`a client in another room heard "${event}"`));
      assert.deepEqual(await ask(ada, "join", "tea"), { members: [ada.id] });
      assert.deepEqual(await ask(alan, "join", "coffee"), { members: [alan.id] });
      const joined = next(ada, "joined");
      assert.deepEqual(new Set((await ask(grace, "join", "tea")).members), new Set([ada.id, grace.id]));
      assert.deepEqual(await joined, ["tea", grace.id]);
      const said = next(ada, "said");
      assert.equal(await ask(grace, "say", "tea", "Hello"), true);
      assert.deepEqual(await said, ["tea", grace.id, "Hello"]);
      assert.equal(await ask(alan, "say", "tea", "May I?"), false);
      const left = next(ada, "left");
      await ask(grace, "leave", "tea");
      assert.deepEqual(await left, ["tea", grace.id]);
      const [back, gone] = [next(ada, "joined"), next(ada, "left")];
      await ask(grace, "join", "tea");
      const [room, id] = await back;
      grace.disconnect();
      assert.deepEqual(await gone, [room, id]);
      assert.deepEqual(await ask(ada, "join", "tea"), { members: [ada.id] });
    });
  });

  test("nobody can join the room of another's id", async (t) => {
    const server = await started(t, "rooms");
    const [ada, eve] = await severalConnected(t, server, WAYS[2], 2);
    assert.deepEqual(await ask(eve, "join", ada.id), { members: [eve.id] });
    assert.deepEqual(await ask(eve, "join", ""), { error: "A room's name has 1 to 32 characters." });
    assert.deepEqual(await ask(eve, "join", "x".repeat(33)), { error: "A room's name has 1 to 32 characters." });
  });

  test("the server's bound of rooms is told to the client", async (t) => {
    const server = await started(t, "rooms", { env: { KINGLET_ROOMS_PER_SOCKET: "2" } });
    const ada = await connected(t, server, WAYS[2]);
    const answers = [await ask(ada, "join", "a"), await ask(ada, "join", "b"), await ask(ada, "join", "c")];
    assert.match(answers.at(-1).error, /rooms_per_socket/);
  });
});

describe("auth", () => {
  overEachWay((way) => {
    test("a good token lets in, and a new one when it has expired", async (t) => {
      const server = await started(t, "auth", { env: { TOKEN_LIFETIME_MS: "1500" } });
      const logins = await connected(t, server, way, { nsp: "/login" });
      let token;
      const logIn = async () => ({ token } = await ask(logins, "login", "ada", "engine"));
      const socket = client(t, server, way, { autoConnect: false, auth: (show) => show({ token }) });
      socket.on("disconnect", (reason) => reason === "io server disconnect" && socket.connect());
      const refusals = collect(socket, "connect_error");
      socket.on("connect_error", () => logIn().then(() => socket.connect()));
      const welcomes = collect(socket, "welcome");
      socket.connect();
      await welcomes.until(2);
      assert.deepEqual(welcomes.slice(0, 2), [["ada"], ["ada"]]);
      // The first time it had no token yet, the second time an old one.
      const [[missing], [expired]] = await refusals.until(2);
      for (const error of [missing, expired]) {
        assert.equal(error.message, "The token is missing, wrong or expired.");
        assert.deepEqual(error.data, { code: "TOKEN" });
      }
    });

    test("a token that was never issued is refused, and a wrong password gets none", async (t) => {
      const server = await started(t, "auth");
      const logins = await connected(t, server, way, { nsp: "/login" });
      for (const [name, password] of [["ada", "compiler"], ["grace", ""], ["", ""]]) {
        assert.deepEqual(await ask(logins, "login", name, password), { error: "Wrong name or password." });
      }
      for (const auth of [{}, { token: "0".repeat(32) }, { token: 1 }]) {
        const [error] = await next(client(t, server, way, { auth }), "connect_error");
        assert.deepEqual(error.data, { code: "TOKEN" });
      }
    });
  });
});

describe("upload", () => {
  const BYTES = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, index) => index % 251));

  async function withFolder(t, env) {
    const folder = await mkdtemp(join(tmpdir(), "kinglet-uploads-"));
    const server = await started(t, "upload", { env: { ...env, UPLOAD_FOLDER: folder } });
    t.after(() => rm(folder, { recursive: true }));
    return { server, folder };
  }

  overEachWay((way) => {
    test("a file arrives in chunks, each sent when the last is acknowledged", async (t) => {
      const { server, folder } = await withFolder(t);
      const socket = await connected(t, server, way);
      const { name } = await ask(socket, "begin", BYTES.length);
      for (let offset = 0; offset < BYTES.length; ) {
        const chunk = BYTES.subarray(offset, offset + 100_000);
        const { received } = await ask(socket, "chunk", offset, chunk);
        assert.equal(received, offset + chunk.length);
        // What is acknowledged is written.
        assert.equal((await readFile(join(folder, name))).length, received);
        offset = received;
      }
      assert.deepEqual(await readFile(join(folder, name)), BYTES);
      assert.deepEqual(await ask(socket, "chunk", 0, BYTES), { error: "Begin first." });
    });
  });

  test("a chunk that comes twice, or before its turn, does no harm", async (t) => {
    const { server, folder } = await withFolder(t);
    const socket = await connected(t, server, WAYS[2]);
    const { name } = await ask(socket, "begin", 6);
    assert.deepEqual(await ask(socket, "chunk", 3, BYTES.subarray(3, 6)), { received: 0 });
    assert.deepEqual(await ask(socket, "chunk", 0, BYTES.subarray(0, 3)), { received: 3 });
    assert.deepEqual(await ask(socket, "chunk", 0, BYTES.subarray(0, 3)), { received: 3 });
    assert.deepEqual(await ask(socket, "chunk", 3, BYTES.subarray(3, 6)), { received: 6 });
    assert.deepEqual(await readFile(join(folder, name)), BYTES.subarray(0, 6));
  });

  test("an incomplete file is removed", async (t) => {
    const { server, folder } = await withFolder(t);
    const [first, second] = await severalConnected(t, server, WAYS[2], 2);
    for (const socket of [first, second]) {
      await ask(socket, "begin", 10);
      await ask(socket, "chunk", 0, BYTES.subarray(0, 5));
    }
    assert.equal((await readdir(folder)).length, 2);
    assert.deepEqual(await ask(first, "begin", 10), { error: "Another upload is under way." });
    const { error } = await ask(first, "chunk", 5, BYTES.subarray(5, 11));
    assert.equal(error, "The file is longer than it was said to be.");
    second.disconnect();
    const deadline = Date.now() + 10_000;
    while ((await readdir(folder)).length > 0) assert.ok(Date.now() < deadline, "a file is left behind");
  });

  test("a file that is empty or too long is refused", async (t) => {
    const { server } = await withFolder(t);
    const socket = await connected(t, server, WAYS[2]);
    for (const size of [0, 100_000_001]) {
      assert.deepEqual(await ask(socket, "begin", size), { error: "A file has 1 to 100000000 bytes." });
    }
  });
});

describe("download", () => {
  const bytesOf = (length) => Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));

  async function withFile(t, bytes, env) {
    const folder = await mkdtemp(join(tmpdir(), "kinglet-downloads-"));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, "file");
    if (bytes) await writeFile(path, bytes);
    return started(t, "download", { env: { ...env, DOWNLOAD_FILE: path } });
  }

  function adler32(bytes) {
    let [a, b] = [1, 0];
    for (const byte of bytes) b = (b + (a = (a + byte) % 65_521)) % 65_521;
    return b * 65_536 + a;
  }

  /** Fails unless the chunks are the file, in order and once. */
  function assertWhole(chunks, bytes) {
    assert.deepEqual(chunks.map(([number]) => number), [...chunks.keys()]);
    assert.ok(Buffer.concat(chunks.map(([, chunk]) => chunk)).equals(bytes), "the file is another");
  }

  overEachWay((way) => {
    test("a file comes in numbered chunks, and its end with length and checksum", async (t) => {
      const bytes = bytesOf(3_000_000);
      const socket = await connected(t, await withFile(t, bytes), way);
      const [sizes, chunks] = [collect(socket, "size"), collect(socket, "chunk")];
      const end = await ask(socket, "download");
      assert.deepEqual([...sizes], [[bytes.length]]);
      assert.deepEqual(end, { bytes: bytes.length, checksum: adler32(bytes) });
      assertWhole(chunks, bytes);
    });
  });

  test("a client that does not read for a while gets all of it, and little waits for it meanwhile", async (t) => {
    const bytes = bytesOf(16_000_000);
    const port = await claimPort();
    // If more waited for it, it would be cut off.
    const env = { KINGLET_OPS_PORT: String(port), KINGLET_QUEUED_PER_CLIENT: "256KiB" };
    const socket = await connected(t, await withFile(t, bytes, env), WAYS[2]);
    const chunks = collect(socket, "chunk");
    const end = ask(socket, "download");
    await chunks.until(1);
    const { ws } = socket.io.engine.transport;
    ws.pause();
    const deadline = Date.now() + 10_000;
    for (let queued = 0; queued <= 1 << 16; ) {
      assert.ok(Date.now() < deadline, `only ${queued} bytes wait`);
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      queued = Number(metrics.match(/^kinglet_queued_bytes (\d+)/m)[1]);
      assert.ok(queued < (1 << 16) + 80_000, `${queued} bytes wait`);
    }
    ws.resume();
    assert.deepEqual(await end, { bytes: bytes.length, checksum: adler32(bytes) });
    assertWhole(chunks, bytes);
  });

  test("a client that leaves ends its download, and the thread serves the next one", async (t) => {
    const bytes = bytesOf(16_000_000);
    const server = await withFile(t, bytes, { KINGLET_BLOCKING_THREADS: "1" });
    const [leaves, stays] = await severalConnected(t, server, WAYS[2], 2);
    const first = next(leaves, "chunk");
    leaves.emit("download");
    await first;
    leaves.disconnect();
    assert.equal((await ask(stays, "download")).bytes, bytes.length);
  });

  test("a file that cannot be read is told without its name", async (t) => {
    const socket = await connected(t, await withFile(t, null), WAYS[2]);
    assert.deepEqual(await ask(socket, "download"), { error: "The file could not be read." });
  });
});

describe("push", () => {
  overEachWay((way) => {
    test("a client hears of the prices that it follows, and of no others", async (t) => {
      const server = await started(t, "push", { env: { PUSH_INTERVAL_MS: "10" } });
      const [one, both] = await severalConnected(t, server, way, 2);
      const [heard, all] = [collect(one, "price"), collect(both, "price")];
      assert.equal(await ask(one, "follow", "apples"), true);
      for (const name of ["apples", "pears"]) assert.equal(await ask(both, "follow", name), true);
      await heard.until(3);
      assert.ok(heard.every(([name, cents]) => name === "apples" && cents >= 250 && cents < 350), `${heard}`);
      await ask(one, "unfollow", "apples");
      const before = heard.length;
      all.length = 0;
      await all.until(6);
      assert.deepEqual(new Set(all.map(([name]) => name)), new Set(["apples", "pears"]));
      await ask(one, "unfollow", "pears");
      assert.equal(heard.length, before);
    });
  });

  test("only symbols with a price can be followed", async (t) => {
    const server = await started(t, "push");
    const [socket, other] = await severalConnected(t, server, WAYS[2], 2);
    assert.equal(await ask(socket, "follow", other.id), false);
    assert.equal(await ask(socket, "unfollow", "coffee"), false);
  });
});

describe("messenger", () => {
  overEachWay((way) => {
    test("users are let in after a look-up, and get the history", async (t) => {
      const server = await started(t, "messenger");
      const stranger = client(t, server, way, { auth: { token: "unknown" } });
      assert.equal((await next(stranger, "connect_error"))[0].message, "unknown token");
      const ada = client(t, server, way, { auth: { token: "t-ada", history: "many" } });
      const history = collect(ada, "message");
      const ready = next(ada, "ready");
      await next(ada, "connect");
      assert.deepEqual(await ready, [{ id: 1, name: "ada" }]);
      while (history.length < 300) await next(ada, "message");
      assert.deepEqual(history.map(([{ id }]) => id), Array.from({ length: 300 }, (_, id) => id));
    });

    test("what other programs post reaches a user's sockets", async (t) => {
      const server = await started(t, "messenger");
      const bob = client(t, server, way, { auth: { token: "t-bob" } });
      await next(bob, "ready");
      const news = next(bob, "news");
      const body = JSON.stringify({ room: "user:2", event: "news", data: { x: 1 } });
      assert.equal((await fetch(`${server.url}/emit`, { method: "POST", body })).status, 202);
      assert.deepEqual(await news, [{ x: 1 }]);
    });
  });
});
