// A browser that opens the pages of the examples.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const WAIT_MS = 10_000;
const CLIENT = fileURLToPath(new URL("node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/** Opens pages of examples from disk. The client that they load from a CDN is replaced by the installed one. */
export async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), "kinglet-browser-"));
  const browser = await chromium.launchPersistentContext(profile, { executablePath: "/usr/bin/chromium", args: QUIET });
  await browser.route(/^https:/, (route) => route.fulfill({ path: CLIENT, contentType: "text/javascript" }));
  return {
    /** The page of that example, served by this server. An error in its script fails the test. */
    async open(name, server) {
      const page = await browser.newPage();
      page.setDefaultTimeout(WAIT_MS);
      page.on("pageerror", (error) => {
        throw error;
      });
      const file = new URL(`../../examples/${name}.html`, import.meta.url);
      await page.goto(`${file}?server=${encodeURIComponent(server.url)}`);
      return page;
    },
    /** A page of the server's own origin, with the client and nothing else. */
    async blank(server) {
      const page = await browser.newPage();
      page.setDefaultTimeout(WAIT_MS);
      await page.goto(server.url);
      await page.addScriptTag({ path: CLIENT });
      return page;
    },
    /** The page at an address, in a window of that size and in that colour scheme. */
    async visit(url, { width, height, colorScheme }) {
      const page = await browser.newPage();
      page.setDefaultTimeout(WAIT_MS);
      page.on("pageerror", (error) => {
        throw error;
      });
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.goto(url);
      return page;
    },
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
