// Clients of Socket.IO 2, which speak Engine.IO 3. Everything else is shared with the current clients.

import io from "socket.io-client-v2";
import { makersOf } from "./clients.mjs";

export { alsoIn } from "./clients.mjs";
export const { client, connected } = makersOf(io);
