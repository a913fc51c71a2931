// The settings that a client can see, each on a server of its own.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ask, askAll, connected, isConnected, next, overEachWay, pollingSession, rawWebSocket, request, WAYS,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

const [UPGRADE, , WEBSOCKET] = WAYS;

async function started(t, env) {
  const server = await startConformance({ env });
  t.after(() => server.stopSound());
  return server;
}

describe("settings", () => {
  test("the open packet tells intervals and limit", async (t) => {
    const server = await started(t, {
      CONFORMANCE_PING_INTERVAL: "12345",
      CONFORMANCE_PING_TIMEOUT: "6789",
      CONFORMANCE_MAX_PAYLOAD: "4321",
    });
    const { sid, ...open } = await pollingSession(server);
    assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
    assert.deepEqual(open, { upgrades: ["websocket"], pingInterval: 12345, pingTimeout: 6789, maxPayload: 4321 });
    const text = await rawWebSocket(t, server).packet("0{");
    assert.deepEqual({ ...JSON.parse(text.slice(1)), sid }, { ...open, sid, upgrades: [] });
  });

  test("the defaults are the Node server's", async (t) => {
    const { sid, ...open } = await pollingSession(await started(t));
    assert.deepEqual(open, { upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 });
  });

  describe("a smaller limit", () => {
    overEachWay((way) => {
      test("holds to the byte", async (t) => {
        const server = await started(t, { CONFORMANCE_MAX_PAYLOAD: "1000" });
        const socket = await connected(t, server, way, { reconnection: true, reconnectionDelay: 10 });
        const fits = "x".repeat(1000 - '42["message",""]'.length);
        const back = next(socket, "message-back");
        socket.emit("message", fits);
        assert.deepEqual(await back, [fits]);
        const lost = next(socket, "disconnect");
        socket.emit("message", `${fits}x`);
        await lost;
        await isConnected(socket);
        assert.deepEqual(await askAll(socket, "message-with-ack", "again"), ["again"]);
      });
    });
  });

  test("another path, and a name", async (t) => {
    const server = await started(t, { CONFORMANCE_PATH: "/socket.io/", CONFORMANCE_NAME: "wren" });
    const socket = await connected(t, server, UPGRADE);
    assert.equal((await ask(socket, "whoami")).server, "wren");
    assert.ok((await ask(socket, "handshake")).url.startsWith("/socket.io/?"));
  });

  test("a session that joins no namespace ends after the connect timeout", async (t) => {
    const server = await started(t, { CONFORMANCE_CONNECT_TIMEOUT: "200" });
    const socket = rawWebSocket(t, server);
    const closed = next(socket, "close");
    await socket.packet("0{");
    await closed;
    const { sid } = await pollingSession(server);
    const poll = await request(server, `EIO=4&transport=polling&sid=${sid}`);
    assert.equal(await poll.text(), "1");
  });

  test("an upgrade that is not finished in time is dropped, and polling goes on", async (t) => {
    const server = await started(t, { CONFORMANCE_UPGRADE_TIMEOUT: "1500" });
    const { sid } = await pollingSession(server);
    const query = `EIO=4&transport=polling&sid=${sid}`;
    const socket = rawWebSocket(t, server, { query: `EIO=4&transport=websocket&sid=${sid}` });
    const closed = next(socket, "close");
    await next(socket, "open");
    socket.send("2probe");
    await socket.packet("3probe");
    await closed;
    await request(server, query, { method: "POST", body: "40" });
    let text;
    do text = await (await request(server, query)).text();
    while (text === "6");
    assert.match(text, /^40\{/);
  });

  test("any origin may read by default", async (t) => {
    const server = await started(t);
    const response = await request(server, "EIO=4&transport=polling", { headers: { origin: "http://a.example" } });
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    await response.text();
  });

  test("a list of origins is kept to, with credentials", async (t) => {
    const server = await started(t, { CONFORMANCE_CORS: "http://a.example,http://b.example" });
    const handshake = (origin) => request(server, "EIO=4&transport=polling", { headers: { origin } });
    for (const origin of ["http://a.example", "http://b.example"]) {
      const { status, headers } = await handshake(origin);
      assert.equal(status, 200);
      assert.equal(headers.get("access-control-allow-origin"), origin);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
      assert.equal(headers.get("vary"), "Origin");
    }
    const foreign = await handshake("http://c.example");
    assert.equal(foreign.status, 200);
    assert.equal(foreign.headers.get("access-control-allow-origin"), null);
    const preflight = await request(server, "EIO=4&transport=polling", {
      method: "OPTIONS",
      headers: {
        origin: "http://a.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-custom",
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "http://a.example");
    assert.equal(preflight.headers.get("access-control-allow-headers"), "x-custom");
    assert.match(preflight.headers.get("access-control-allow-methods"), /POST/);
  });

  test("the bare Engine.IO server sends every message back", async (t) => {
    const server = await started(t, { CONFORMANCE_APP: "engine", CONFORMANCE_PATH: "/engine.io/" });
    const socket = rawWebSocket(t, server);
    await socket.packet("0{");
    socket.send("4text é");
    socket.send(Buffer.from([4, 0, 255]));
    const [, [text], [bytes, isBinary]] = await socket.packets.until(3);
    assert.equal(String(text), "4text é");
    assert.equal(isBinary, true);
    assert.deepEqual(bytes, Buffer.from([4, 0, 255]));
    const { sid } = await pollingSession(server);
    const query = `EIO=4&transport=polling&sid=${sid}`;
    const posted = await request(server, query, { method: "POST", body: "4one\x1ebBAD/" });
    assert.equal(await posted.text(), "ok");
    assert.equal(await (await request(server, query)).text(), "4one\x1ebBAD/");
  });

  test("two servers beside each other do not hear one another", async (t) => {
    const [one, other] = [await started(t), await started(t)];
    const here = await connected(t, one, WEBSOCKET);
    const there = await connected(t, other, WEBSOCKET);
    there.on("news", () => assert.fail("heard from another server"));
    here.emit("emit-all", "news");
    assert.deepEqual(await askAll(here, "message-with-ack", 1), [1]);
    assert.deepEqual(await askAll(there, "message-with-ack", 1), [1]);
    assert.equal(await ask(here, "server-count"), 1);
  });
});
