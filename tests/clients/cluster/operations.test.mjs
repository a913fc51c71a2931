// Every operation that reaches another server, in both directions between the server under test and each kind of server
// that may share its cluster.

import { after, before, describe } from "node:test";
import { declareBroadcasts } from "./broadcasts.mjs";
import { overEachDirection, printTable } from "./cluster.mjs";
import { Redis } from "./redis.mjs";
import { declareRemoteSockets } from "./remote-sockets.mjs";
import { declareRequests } from "./requests.mjs";

describe("operations", () => {
  let redis;
  before(async () => (redis = await Redis.start()));
  after(() => redis.end());
  after(printTable);

  overEachDirection(() => redis, (direction) => {
    declareBroadcasts(direction);
    declareRemoteSockets(direction);
    declareRequests(direction);
  });
});
