// Handshake, upgrade, heartbeat, and refusals.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  ask, askAll, client, collect, connected, farewell, isConnected, isSettled, next, overEachWay, pollingJoined, rawJoined,
  rawWebSocket, request, WAYS,
} from "../clients.mjs";
import { startConformance } from "../server.mjs";

const SID = /^[A-Za-z0-9_-]{20}$/;
const [UPGRADE] = WAYS;

describe("transports", async () => {
  const server = await startConformance();
  after(() => server.stopSound());

  overEachWay((way) => {
    test("a client connects and has an id apart from the session's", async (t) => {
      const socket = await connected(t, server, way);
      assert.match(socket.id, SID);
      assert.match(socket.io.engine.id, SID);
      assert.notEqual(socket.id, socket.io.engine.id);
      assert.equal((await ask(socket, "whoami")).id, socket.id);
    });

    test("the client stands on the transport it should", async (t) => {
      const socket = await connected(t, server, way);
      assert.equal(socket.io.engine.transport.name, way.settled);
      assert.equal((await ask(socket, "handshake")).transport, way.settled);
    });

    test("every client has an id of its own", async (t) => {
      const sockets = await Promise.all(Array.from({ length: 30 }, () => connected(t, server, way)));
      assert.equal(new Set(sockets.map((socket) => socket.id)).size, 30);
    });

    test("the application forbids a handshake", async (t) => {
      const socket = client(t, server, way, { extraHeaders: { "x-conformance-forbid": "1" } });
      const [error] = await next(socket, "connect_error");
      assert.ok(error.message.includes("error"), error.message);
      assert.equal(socket.connected, false);
    });

    test("another path is not served", async (t) => {
      const socket = client(t, server, way, { path: "/elsewhere" });
      await next(socket, "connect_error");
      assert.equal(socket.connected, false);
    });
  });

  test("a forbidden handshake by polling is answered 403 with the application's message", async () => {
    const response = await request(server, "EIO=4&transport=polling", { headers: { "x-conformance-forbid": "1" } });
    assert.equal(response.status, 403);
    assert.deepEqual(await response.json(), { code: 4, message: "forbidden by app" });
  });

  test("a forbidden handshake by WebSocket is answered 400 with the application's message", async (t) => {
    const socket = rawWebSocket(t, server, { headers: { "x-conformance-forbid": "1" } });
    const [, response] = await next(socket, "unexpected-response");
    let body = "";
    for await (const chunk of response) body += chunk;
    assert.equal(response.statusCode, 400);
    assert.equal(body, "forbidden by app");
  });

  test("GET / is answered 200", async () => {
    assert.equal((await fetch(server.url)).status, 200);
  });

  test("messages during the upgrade arrive once and in order, both ways, for many clients at once", async (t) => {
    const clients = 40;
    const early = await Promise.all(Array.from({ length: clients }, () => talkThroughUpgrade(t)));
    assert.ok(early.some((sent) => sent > 0), "every upgrade was over before the first message");
  });

  /**
   * Sends from the first moment until well after the upgrade, and asks the server for bursts meanwhile. Returns how
   * many messages went out before the upgrade was over.
   */
  async function talkThroughUpgrade(t) {
    const socket = client(t, server, UPGRADE);
    const echoes = collect(socket, "message-back");
    const ticks = collect(socket, "tick");
    const bursts = { count: 0, size: 20 };
    const state = { upgraded: false };
    await isConnected(socket);
    const upgrade = isSettled(socket, UPGRADE).then(() => (state.upgraded = true));
    let sent = 0;
    let early = 0;
    for (let afterwards = 0; afterwards < 50; afterwards += state.upgraded ? 1 : 0) {
      socket.emit("message", sent++, "from the client");
      if (sent % 10 === 1) {
        socket.emit("burst", bursts.size, 10, "tick");
        bursts.count++;
      }
      if (!state.upgraded) early++;
      await new Promise(setImmediate);
    }
    await upgrade;
    await askAll(socket, "message-with-ack");
    await echoes.until(sent);
    await ticks.until(bursts.count * bursts.size);
    assert.deepEqual(echoes.map(([index]) => index), Array.from({ length: sent }, (_, index) => index));
    assert.deepEqual(
      ticks.map(([index]) => index),
      Array.from({ length: bursts.count * bursts.size }, (_, index) => index % bursts.size),
    );
    return early;
  }

  test("polling serves the session until the upgrade packet, the WebSocket from there on", async (t) => {
    const { sid, post, poll } = await pollingJoined(server);
    const socket = rawWebSocket(t, server, { query: `EIO=4&transport=websocket&sid=${sid}` });
    await next(socket, "open");
    const held = poll();
    socket.send("2probe");
    await socket.packet("3probe");
    assert.equal(await held, "6", "the held poll is let go with a noop");
    await post('420["message-with-ack","by polling"]');
    assert.equal(await poll(), '430["by polling"]');
    await post('421["message-with-ack","asked by polling, answered by WebSocket"]');
    socket.send("5");
    assert.equal(await socket.packet("431"), '431["asked by polling, answered by WebSocket"]');
    socket.send('422["message-with-ack","by WebSocket"]');
    assert.equal(await socket.packet("432"), '432["by WebSocket"]');
    assert.equal(socket.packets.length, 3, "more than the probe's answer and two acknowledgements");
  });

  test("attachments stay with their packet across the upgrade", async (t) => {
    await Promise.all(Array.from({ length: 10 }, async () => {
      const socket = client(t, server, UPGRADE);
      const echoes = collect(socket, "message-back");
      await isConnected(socket);
      const state = { upgraded: false };
      const upgrade = isSettled(socket, UPGRADE).then(() => (state.upgraded = true));
      let sent = 0;
      for (let afterwards = 0; afterwards < 10; ) {
        // More than 1 MiB of echoes would wait for a client that still sends, and cut it off.
        if (sent - echoes.length < 1000) {
          socket.emit("message", sent, Buffer.from([sent % 256, 1]), { deep: [Buffer.from([sent % 256, 2])] });
          sent++;
          afterwards += state.upgraded ? 1 : 0;
        }
        await new Promise(setImmediate);
      }
      await upgrade;
      await echoes.until(sent);
      const expected = Array.from({ length: sent }, (_, index) => [
        index, Buffer.from([index % 256, 1]), { deep: [Buffer.from([index % 256, 2])] },
      ]);
      assert.deepEqual([...echoes], expected);
    }));
  });

  test("after the upgrade the session is no longer served by polling", async (t) => {
    const socket = await connected(t, server, UPGRADE);
    const response = await request(server, `EIO=4&transport=polling&sid=${socket.io.engine.id}`);
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), { code: 3, message: "Bad request" });
    assert.deepEqual(await askAll(socket, "message-with-ack", "still here"), ["still here"]);
  });
});

describe("heartbeat", async () => {
  const server = await startConformance({
    env: { CONFORMANCE_PING_INTERVAL: "150", CONFORMANCE_PING_TIMEOUT: "1000" },
  });
  after(() => server.stopSound());

  overEachWay((way) => {
    test("a client that answers its pings stays", async (t) => {
      const socket = await connected(t, server, way);
      const pings = collect(socket.io, "ping");
      await pings.until(12);
      assert.equal(socket.connected, true);
      assert.deepEqual(await askAll(socket, "message-with-ack", 1), [1]);
    });
  });

  test("a WebSocket client that answers no ping is closed", async (t) => {
    const observer = await connected(t, server, UPGRADE);
    const seen = farewell(observer, "silent on WebSocket");
    const socket = await rawJoined(t, server);
    socket.send('42["track","silent on WebSocket"]');
    await socket.packet("2");
    await next(socket, "close");
    assert.deepEqual((await seen).reasons, ["ping timeout"]);
  });

  test("a polling client that polls no more is closed", async (t) => {
    const observer = await connected(t, server, UPGRADE);
    const seen = farewell(observer, "silent on polling");
    const { sid, post } = await pollingJoined(server);
    await post('42["track","silent on polling"]');
    assert.deepEqual((await seen).reasons, ["ping timeout"]);
    assert.equal((await request(server, `EIO=4&transport=polling&sid=${sid}`)).status, 400);
  });
});
