// In a browser: the pages of the examples, cookies, and compressed answers.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startBrowser } from "../browser.mjs";
import { startExample } from "../server.mjs";

describe("in a browser,", async () => {
  let browser;
  before(async () => (browser = await startBrowser()));
  after(() => browser.close());

  /** The example under its page, opened `count` times. */
  async function opened(t, name, { count = 1, env } = {}) {
    const server = await startExample(name, { env });
    t.after(() => server.stopSound());
    return Promise.all(Array.from({ length: count }, () => browser.open(name, server)));
  }

  /** A folder that is removed with the test. */
  async function folder(t) {
    const path = await mkdtemp(join(tmpdir(), "kinglet-pages-"));
    t.after(() => rm(path, { recursive: true }));
    return path;
  }

  const shows = (page, selector, hasText) => page.locator(selector, { hasText }).first().waitFor();

  test("the page of chat: two talk to each other", async (t) => {
    const [ada, grace] = await opened(t, "chat", { count: 2 });
    for (const [page, name, users] of [[ada, "Ada", "1 user"], [grace, "Grace", "2 users"]]) {
      await shows(page, "#status", "Choose a name.");
      await page.fill("#name", name);
      await page.press("#name", "Enter");
      await shows(page, "#status", users);
      await page.locator("#join").waitFor({ state: "hidden" });
    }
    await shows(ada, "#log", "Grace has joined");
    // The names of typing members are volatile: they may be lost while a client upgrades.
    await ada.waitForFunction(() => socket.io.engine.transport.name === "websocket");
    await grace.fill("#text", "Hello <b>Ada</b>");
    await shows(ada, "#typing", "Grace typing");
    await grace.press("#text", "Enter");
    await shows(ada, "#log li", "Grace: Hello <b>Ada</b>");
    await shows(grace, "#log li", "Grace: Hello <b>Ada</b>");
    assert.equal(await ada.textContent("#typing"), "");
    await grace.close();
    await shows(ada, "#log", "Grace has left");
    await shows(ada, "#status", "1 user");
  });

  test("the page of rooms: a room does not hear another's messages", async (t) => {
    const [one, two] = await opened(t, "rooms", { count: 2 });
    const room = (page, name) => page.locator("section", { has: page.locator("h2", { hasText: name }) });
    for (const [page, name] of [[one, "tea"], [two, "tea"], [one, "coffee"]]) {
      await shows(page, "#status", "You are");
      await page.fill("#name", name);
      await page.press("#name", "Enter");
      await room(page, name).waitFor();
    }
    await room(one, "tea").locator(".members", { hasText: "2 members" }).waitFor();
    await room(one, "coffee").locator(".members", { hasText: "1 member" }).waitFor();
    for (const [name, words] of [["coffee", "Only here"], ["tea", "Hello <b>"]]) {
      await room(one, name).locator("input").fill(words);
      await room(one, name).locator("input").press("Enter");
      await room(one, name).locator("li", { hasText: `you: ${words}` }).waitFor();
    }
    await room(two, "tea").locator("li", { hasText: "Hello <b>" }).waitFor();
    assert.doesNotMatch(await two.textContent("#rooms"), /Only here/);
    await room(two, "tea").locator("[type=button]").click();
    await room(one, "tea").locator("li", { hasText: "has left" }).waitFor();
    await room(one, "tea").locator(".members", { hasText: "1 member" }).waitFor();
    await room(two, "tea").waitFor({ state: "detached" });
  });

  test("the page of auth: the password lets in, and again when the token has expired", async (t) => {
    const [page] = await opened(t, "auth", { env: { TOKEN_LIFETIME_MS: "2000" } });
    const logIn = async (password) => {
      await page.fill("#name", "ada");
      await page.fill("#password", password);
      await page.press("#password", "Enter");
    };
    await logIn("wrong");
    await shows(page, "li", "Wrong name or password.");
    await logIn("engine");
    await page.locator("li", { hasText: "Welcome, ada." }).nth(1).waitFor();
    const told = await page.locator("li").allTextContents();
    assert.deepEqual(told.slice(1, 7), [
      "Logged in.",
      "Welcome, ada.",
      "The server has let us go.",
      "Refused: The token is missing, wrong or expired.",
      "Logged in.",
      "Welcome, ada.",
    ]);
  });

  test("the page of upload: a file arrives as it was", async (t) => {
    const path = await folder(t);
    const [page] = await opened(t, "upload", { env: { UPLOAD_FOLDER: path } });
    const bytes = Buffer.from(Uint8Array.from({ length: 600_000 }, (_, index) => index % 251));
    await writeFile(join(path, "chosen.bin"), bytes);
    await page.setInputFiles("#file", join(path, "chosen.bin"));
    await shows(page, "#status", "chosen.bin has arrived as upload-");
    const [name] = (await page.textContent("#status")).match(/upload-\w+/);
    assert.deepEqual(await readFile(join(path, name)), bytes);
    assert.equal(await page.locator("#progress").evaluate((progress) => progress.value), 1);
  });

  test("the page of download: a file arrives as it is on the server", async (t) => {
    const path = await folder(t);
    const bytes = Buffer.from(Uint8Array.from({ length: 600_000 }, (_, index) => index % 251));
    await writeFile(join(path, "served.bin"), bytes);
    const [page] = await opened(t, "download", { env: { DOWNLOAD_FILE: join(path, "served.bin") } });
    await page.click("#start");
    await shows(page, "#status", "600000 bytes have arrived, and the checksum is right.");
    assert.equal(await page.locator("#progress").evaluate((progress) => progress.value), 1);
    const saved = page.waitForEvent("download");
    await page.click("#save");
    assert.deepEqual(await readFile(await (await saved).path()), bytes);
  });

  test("the page of push: the chosen prices move", async (t) => {
    const [page] = await opened(t, "push", { env: { PUSH_INTERVAL_MS: "50" } });
    const price = (name) => page.locator("label", { hasText: name }).locator("output");
    await shows(page, "#status", "Choose");
    await page.check("[name=apples]");
    await price("apples").filter({ hasText: /^\d\.\d\d$/ }).waitFor();
    const first = await price("apples").textContent();
    await price("apples").filter({ hasNotText: first, hasText: /./ }).waitFor();
    assert.equal(await price("pears").textContent(), "");
    await page.uncheck("[name=apples]");
    await price("apples").filter({ hasNotText: /./ }).waitFor({ state: "attached" });
  });

  /** A page of the server's own origin, with the client and nothing else. */
  async function bare(t, server) {
    t.after(() => server.stopSound());
    const page = await browser.blank(server);
    t.after(() => page.close());
    return page;
  }

  test("the cookie of a session is set, kept from scripts, and sent along with the next", async (t) => {
    const page = await bare(t, await startExample("reference"));
    const connect = () =>
      page.evaluate(async () => {
        const socket = io({ forceNew: true, transports: ["polling"] });
        const { cookie } = await socket.emitWithAck("socket.handshake");
        const { id } = socket.io.engine;
        socket.disconnect();
        return { id, cookie, seen: document.cookie };
      });
    const first = await connect();
    assert.deepEqual({ ...first, id: "" }, { id: "", cookie: null, seen: "" });
    assert.equal((await connect()).cookie, `io=${first.id}`);
  });

  test("polling answers come compressed, and are read", async (t) => {
    const page = await bare(t, await startExample("reference"));
    const compressed = page.waitForResponse((response) => response.headers()["content-encoding"] === "gzip");
    const text = "long ".repeat(1_000);
    const heard = page.evaluate(async (text) => {
      const socket = io({ transports: ["polling"] });
      socket.emit("socket.send", text);
      return new Promise((resolve) => socket.on("message", resolve));
    }, text);
    await compressed;
    assert.equal(await heard, text);
  });
});
