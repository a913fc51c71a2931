// Answers may go to all servers or, by `publish_on_specific_response_channel`, to the one that asked; servers with and
// without that setting understand each other.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask } from "../clients.mjs";
import { Cluster, SUBJECT } from "./cluster.mjs";
import { Redis } from "./redis.mjs";

const KINDS = [SUBJECT, "node8"];
const PLENTY_MS = 10_000;
const SPECIFIC = { CONFORMANCE_SPECIFIC_RESPONSE: "1" };

describe("answers on a channel of the asking server", () => {
  let redis;
  before(async () => (redis = await Redis.start()));
  after(() => redis.end());

  const settings = { "the first": [SPECIFIC, {}], "the second": [{}, SPECIFIC], both: [SPECIFIC, SPECIFIC] };
  for (const [who, envs] of Object.entries(settings)) {
    describe(`of ${KINDS.join(" and ")}, ${who}`, () => {
      let cluster;
      before(async () => (cluster = await Cluster.start(redis, KINDS, { envs })));
      after(() => cluster?.stop());

      for (const [asking, answering] of [[0, 1], [1, 0]]) {
        const specific = envs[answering] === SPECIFIC;
        test(`${KINDS[answering]} answers ${specific ? "the asking server" : "all"}`, async (t) => {
          const { room, clients } = await cluster.roommates(t);
          const channels = await redis.channels(`${cluster.key}-response#*`);
          const ids = clients.map(({ id }) => id).sort();
          for (const socket of clients) socket.on("question", (answer) => answer(Buffer.from(socket.id)));
          const client = clients[asking];
          const question = { rooms: room, timeout: PLENTY_MS };

          const fetched = await ask(client, "fetch-sockets", { rooms: room });
          assert.deepEqual(fetched.map(({ id }) => id), ids);
          const rooms = await ask(client, "all-rooms");
          assert.deepEqual(rooms.filter((name) => ids.includes(name)), ids);
          const [error, answers] = await ask(client, "broadcast-ack", question, "question");
          assert.deepEqual([error, answers.map(String).sort()], [null, ids]);
          const shared = `${cluster.key}-response#/#`;
          // Two answers, the count of clients, one acknowledgement.
          const responses = await channels.taken();
          assert.equal(responses.length, 4);
          for (const channel of responses) {
            assert.equal(channel.startsWith(shared), true, channel);
            assert.equal(channel.length > shared.length, specific, channel);
          }

          // These always go to all.
          const server = `server-${answering}`;
          assert.deepEqual(await ask(client, "server-side-emit-ack", "sse-ask", 1), [null, [{ server, arg: 1 }]]);
          assert.deepEqual(await channels.taken(), [shared]);
        });
      }
    });
  }
});
