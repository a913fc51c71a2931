// The versions that package-lock.json pins run on the oldest Node that package.json promises. `npm ci` on a newer Node
// does not check that.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const LOCK = new URL("../package-lock.json", import.meta.url);

/** The version in `>=18.19`, as a number that grows with it. */
function oldest(range) {
  const [, version] = range.match(/^>= ?([\d.]+)$/) ?? assert.fail(`cannot tell the oldest Node in ${range}`);
  return version.split(".").reduce((sum, part, place) => sum + Number(part) / 1_000 ** place, 0);
}

test("every package runs on the oldest Node that is promised", async () => {
  const { packages } = JSON.parse(await readFile(LOCK));
  const promised = oldest(packages[""].engines.node);
  const asking = Object.entries(packages).filter(([, { engines }]) => engines?.node);
  const tooNew = asking.filter(([, { engines }]) => oldest(engines.node) > promised).map(([name]) => name);
  assert.deepEqual(tooNew, []);
});
