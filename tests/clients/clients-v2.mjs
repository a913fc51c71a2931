// Clients of Socket.IO 2, which speak Engine.IO 3. All else is shared with the clients of today.

import io from "socket.io-client-v2";
import { makersOf } from "./clients.mjs";

export { alsoIn } from "./clients.mjs";
export const { client, connected } = makersOf(io);
