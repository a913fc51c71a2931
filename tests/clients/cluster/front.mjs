// A balancer without memory, whose connections tests cut; and what goes on meanwhile.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { next } from "../clients.mjs";

/** A balancer without memory: each connection goes to the next server. */
export class Front {
  static async start(t, servers) {
    const front = new Front(servers);
    front.listener.listen(0, "127.0.0.1");
    await once(front.listener, "listening");
    front.url = `http://127.0.0.1:${front.listener.address().port}`;
    t.after(() => {
      front.listener.close();
      front.cut();
      for (const socket of front.abandoned) socket.destroy();
    });
    return front;
  }

  constructor(servers) {
    Object.assign(this, { servers: [...servers], path: servers[0].path, turn: 0, open: new Set(), abandoned: new Set() });
    this.listener = createServer((near) => {
      const server = this.servers[this.turn++ % this.servers.length];
      const far = connect(server.port, "127.0.0.1");
      this.open.add(near);
      near.on("close", () => {
        this.open.delete(near);
        if (!this.abandoned.has(far)) far.destroy();
      });
      far.on("close", () => near.destroy());
      for (const socket of [near, far]) socket.setNoDelay(true).on("error", () => {});
      near.far = far;
      near.pipe(far, { end: false });
      far.pipe(near);
    });
  }

  /** Ends all connections. */
  cut() {
    for (const socket of this.open) socket.destroy();
  }

  /** The same, and returns when this socket has noticed: its server has lost it then, or soon will. */
  async lose(socket) {
    const lost = next(socket, "disconnect");
    this.cut();
    await lost;
  }

  /** Ends all connections, and returns when this socket is back, at the server with that number. */
  async bring(socket, turn) {
    const back = next(socket, "connect");
    this.turn = turn;
    this.cut();
    await back;
  }

  /** Ends the clients' ends only: the servers believe that the connections are alive. */
  abandon() {
    for (const socket of this.open) {
      this.abandoned.add(socket.far);
      socket.far.unpipe(socket);
      socket.far.resume();
      socket.destroy();
    }
  }
}

/** Checks that of the events `[publisher, number]` each of so many of each publisher came once, in order. */
export function assertAllOnce(news, counts) {
  for (const [publisher, count] of counts.entries()) {
    const numbers = news.filter(([from]) => from === publisher).map(([, number]) => number);
    assert.deepEqual(numbers, [...Array(count).keys()], `publisher ${publisher}`);
  }
}

/** Calls `act` again and again, with so many milliseconds in between. What this returns ends it. */
export function repeat(millis, act) {
  let goes = true;
  const ended = (async () => {
    while (goes) {
      await act();
      await delay(millis);
    }
  })();
  return () => {
    goes = false;
    return ended;
  };
}
