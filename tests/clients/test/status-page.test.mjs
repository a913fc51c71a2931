// The page of the port for operations: it is live, it sends, it fits a phone.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { startBrowser } from "../browser.mjs";
import { claimPort, startStarter } from "../server.mjs";

const TOKEN = "a-token-of-the-tests";
const DESK = { width: 1280, height: 900, colorScheme: "light" };
const PHONE = { width: 360, height: 740, colorScheme: "dark" };

describe("the status page", async () => {
  let browser;
  before(async () => (browser = await startBrowser()));
  after(() => browser.close());

  /** A server with the port for operations, and its address. */
  async function started(t, stopped = (server) => server.stopSound()) {
    const port = await claimPort();
    const env = { KINGLET_OPS_PORT: String(port), KINGLET_OPS_TOKEN: TOKEN };
    const server = await startStarter({ env });
    t.after(() => stopped(server));
    return { server, url: `http://127.0.0.1:${port}/` };
  }

  async function connected(t, server) {
    const socket = io(server.url, { path: server.path, transports: ["websocket"], forceNew: true });
    t.after(() => socket.disconnect());
    await once(socket, "connect");
    return socket;
  }

  const card = (page, name) => page.locator(`[data-chart=${name}] .big`);

  test("shows clients and messages live", async (t) => {
    const { server, url } = await started(t);
    const page = await browser.visit(url, DESK);
    await page.locator("#state", { hasText: "healthy" }).waitFor();
    await card(page, "clients").filter({ hasText: /^0$/ }).waitFor();
    const [one] = [await connected(t, server), await connected(t, server)];
    await card(page, "clients").filter({ hasText: /^2$/ }).waitFor();
    await page.locator("#namespaces dt", { hasText: "/" }).waitFor();
    const talking = setInterval(() => one.emit("message-from-client", "hello"), 20);
    t.after(() => clearInterval(talking));
    await card(page, "delivered").filter({ hasText: /^[1-9]/ }).waitFor();
    const shape = () => page.locator("[data-chart=delivered] .edge").getAttribute("d");
    const first = await shape();
    await page.waitForFunction((first) => document.querySelector("[data-chart=delivered] .edge").getAttribute("d") !== first, first);
    const points = (await shape()).split("L").length;
    assert.ok(points >= 2, `${points} points`);
  });

  test("sends an event to its room, with the token and not without", async (t) => {
    const { server, url } = await started(t);
    const socket = await connected(t, server);
    const page = await browser.visit(url, DESK);
    const send = async (token) => {
      await page.fill("[name=token]", token);
      await page.click("button");
    };
    await page.fill("[name=rooms]", socket.id);
    await page.fill("[name=event]", "news");
    await page.fill("[name=args]", '["<b>bold</b>", {"n": [1]}]');
    await send("another-token-altogether");
    await page.locator("#answer.bad", { hasText: "KINGLET_OPS_TOKEN" }).waitFor();
    const heard = once(socket, "news");
    await send(TOKEN);
    await page.locator("#answer.good").waitFor();
    assert.deepEqual(await heard, ["<b>bold</b>", { n: [1] }]);
    await page.fill("[name=args]", "{}");
    await page.click("button");
    await page.locator("#answer.bad", { hasText: "not a list" }).waitFor();
    await page.fill("[name=args]", "[]");
    await page.fill("[name=namespace]", "/<i>no</i>");
    await page.click("button");
    await page.locator("#answer.bad", { hasText: "/<i>no</i>" }).waitFor();
  });

  test("fits a phone, and has a dark mode", async (t) => {
    const { url } = await started(t);
    const look = async (window) => {
      const page = await browser.visit(url, window);
      await page.locator("#state", { hasText: "healthy" }).waitFor();
      return page.evaluate(() => ({
        tooWide: document.documentElement.scrollWidth - innerWidth,
        light: getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0) > 380,
      }));
    };
    assert.deepEqual(await look(PHONE), { tooWide: 0, light: false });
    assert.deepEqual(await look(DESK), { tooWide: 0, light: true });
  });

  test("says when the server has gone", async (t) => {
    const { server, url } = await started(t, () => {});
    const page = await browser.visit(url, DESK);
    await page.locator("#state", { hasText: "healthy" }).waitFor();
    await server.stopSound();
    await page.locator("#state.bad", { hasText: "not reached" }).waitFor();
  });
});
