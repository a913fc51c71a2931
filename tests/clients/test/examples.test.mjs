// The examples, each with the official client, and their pages in a browser.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { ask, connected, next, overEachWay, severalConnected, WAYS } from "../clients.mjs";
import { startExample } from "../server.mjs";

const CLIENT = fileURLToPath(new URL("../node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/** Opens pages of examples from disk; the client that they load from afar is the installed one. */
async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), "kinglet-browser-"));
  const browser = await chromium.launchPersistentContext(profile, { executablePath: "/usr/bin/chromium", args: QUIET });
  await browser.route(/^https:/, (route) => route.fulfill({ path: CLIENT, contentType: "text/javascript" }));
  return {
    async open(name, server) {
      const page = await browser.newPage();
      page.setDefaultTimeout(10_000);
      const file = new URL(`../../../examples/${name}.html`, import.meta.url);
      await page.goto(`${file}?server=${encodeURIComponent(server.url)}`);
      return page;
    },
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

async function started(t, name) {
  const server = await startExample(name);
  t.after(() => server.stopSound());
  return server;
}

describe("chat", () => {
  overEachWay((way) => {
    test("who joins, types, speaks and leaves is heard by those who have joined", async (t) => {
      const server = await started(t, "chat");
      const [ada, grace] = await severalConnected(t, server, way, 2);
      const outsider = await connected(t, server, way);
      outsider.onAny((event) => assert.fail(`an outsider heard "${event}"`));
      assert.deepEqual(await ask(ada, "join", " Ada "), { users: 1 });
      const joined = next(ada, "joined");
      assert.deepEqual(await ask(grace, "join", "Grace"), { users: 2 });
      assert.deepEqual(await joined, ["Grace", 2]);
      const [typing, said] = [next(ada, "typing"), next(ada, "said")];
      grace.emit("typing", true);
      assert.deepEqual(await typing, ["Grace", true]);
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

describe("the page of chat", async () => {
  let browser, server;
  before(async () => ([browser, server] = await Promise.all([startBrowser(), startExample("chat")])));
  after(async () => {
    await browser.close();
    await server.stopSound();
  });

  test("two of them talk to each other", async () => {
    const [ada, grace] = await Promise.all([browser.open("chat", server), browser.open("chat", server)]);
    for (const [page, name, users] of [[ada, "Ada", "1 user"], [grace, "Grace", "2 users"]]) {
      await page.locator("#status", { hasText: "Choose a name." }).waitFor();
      await page.fill("#name", name);
      await page.press("#name", "Enter");
      await page.locator("#status", { hasText: users }).waitFor();
      await page.locator("#join").waitFor({ state: "hidden" });
    }
    await ada.locator("#log", { hasText: "Grace has joined" }).waitFor();
    await grace.fill("#text", "Hello <b>Ada</b>");
    await ada.locator("#typing", { hasText: "Grace typing" }).waitFor();
    await grace.press("#text", "Enter");
    await ada.locator("#log li", { hasText: "Grace: Hello <b>Ada</b>" }).waitFor();
    await grace.locator("#log li", { hasText: "Grace: Hello <b>Ada</b>" }).waitFor();
    assert.equal(await ada.textContent("#typing"), "");
    await grace.close();
    await ada.locator("#log", { hasText: "Grace has left" }).waitFor();
    await ada.locator("#status", { hasText: "1 user" }).waitFor();
  });
});
