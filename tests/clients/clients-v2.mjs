// Clients of Socket.IO 2, which speak Engine.IO 3. Waiting is shared with the clients of today.

import io from "socket.io-client-v2";
import { isConnected, isSettled } from "./clients.mjs";

/** A 2.x client that is not connected yet; it is closed when the test ends. `options` are the official client's. */
export function client(t, server, way, { nsp = "/", ...options } = {}) {
  const socket = io(server.url + nsp, {
    path: server.path,
    transports: way.transports,
    forceNew: true,
    reconnection: false,
    ...options,
  });
  t.after(() => {
    socket.io.reconnection(false);
    socket.close();
    socket.io.engine?.close();
  });
  return socket;
}

/** A connected client; where an upgrade is due, it has happened. */
export async function connected(t, server, way, options) {
  const socket = client(t, server, way, options);
  await Promise.all([isConnected(socket), isSettled(socket, way)]);
  return socket;
}

/** Another socket on the same connection. */
export async function alsoIn(socket, nsp, options) {
  const other = socket.io.socket(nsp, options);
  await isConnected(other);
  return other;
}
