// The forms of messages of emitters in other languages, and the clients that hear them: client `a`, which is in the rooms
// `solo`, `null` and `true`, or client `b`, which is in `s`. `docs/compatibility.md` has the table for people.
//
// An outcome is what Node's adapter does. `ends`: it throws, which ends the process. `cuts`: its clients are sent what no
// Socket.IO packet is, and leave. Then kinglet's clients hear nothing, unless a second outcome says otherwise.

import notepack from "notepack.io";

const ENDS = { node: "ends", kinglet: "nobody" };
const CUTS = { node: "cuts", kinglet: "nobody" };

/** Bytes in place of an encoded value. */
class Raw {
  constructor(hex) {
    this.bytes = Buffer.from(hex, "hex");
  }
}

/** Two as a float, as in languages without other numbers. */
const TWO = new Raw("cb4000000000000000");
const UNDEFINED = new Raw("d40000");
const DATE = new Raw("d6ff00000000");

/** MessagePack of few members, with keys of any kind (a `Map`) and bytes that `notepack.io` does not write. */
function pack(value) {
  if (value instanceof Raw) return value.bytes;
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([0x90 + value.length]), ...value.map(pack)]);
  if (value === null || typeof value !== "object" || Buffer.isBuffer(value)) return notepack.encode(value);
  const members = value instanceof Map ? [...value] : Object.entries(value);
  return Buffer.concat([Buffer.from([0x80 + members.length]), ...members.flat().map(pack)]);
}

const DATA = ["news", "x"];
const PACKET = { type: 2, data: DATA, nsp: "/" };
const OPTS = { rooms: [], flags: [] };
const withPacket = (members) => pack(["emitter", { ...PACKET, ...members }, OPTS]);
const withType = (type) => withPacket({ type });
const withOpts = (members) => pack(["emitter", PACKET, { ...OPTS, ...members }]);
const withUid = (uid) => pack([uid, PACKET, OPTS]);
const binaryKeys = (members) => new Map(Object.entries(members).map(([key, value]) => [Buffer.from(key), value]));

/** Rows of a name, a message on the broadcasts' channel, and the clients that hear it. */
export const BROADCASTS = [
  ["empty arrays for maps (PHP)", withOpts({}), "both"],
  ["an array for all options", pack(["emitter", PACKET, []]), "both"],
  ["a filled array for all options", pack(["emitter", PACKET, ["solo"]]), "both"],
  ["binary data for all options", pack(["emitter", PACKET, Buffer.from("solo")]), "both"],
  ["no options", pack(["emitter", PACKET]), ENDS],
  ...[null, true, 1, "", UNDEFINED].map((opts, at) => [`options that are none, ${at}`, pack(["x", PACKET, opts]), ENDS]),

  ["flags that are an empty text (Python, C#)", withOpts({ flags: "" }), "both"],
  ["flags that are a text", withOpts({ flags: "volatile" }), "both"],
  ["flags that are a boolean", withOpts({ flags: true }), "both"],
  ["flags that are nil", withOpts({ flags: null }), "both"],
  ["flags that are a number", withOpts({ flags: 5 }), "both"],
  ["no flags", pack(["emitter", PACKET, { rooms: [] }]), "both"],
  ["unknown flags", withOpts({ flags: { json: true, broadcast: true, multiplex: [1] } }), "both"],
  ["a flag by a number", withOpts({ flags: { volatile: 1, compress: 0 } }), "both"],
  ["flags of other kinds", withOpts({ flags: { volatile: "yes", compress: "no", timeout: {} } }), "both"],

  ["no rooms", pack(["emitter", PACKET, { flags: {} }]), "both"],
  ["rooms that are nil", withOpts({ rooms: null, except: null }), "both"],
  ["rooms that are undefined", withOpts({ rooms: UNDEFINED, except: UNDEFINED }), "both"],
  ["rooms that are an empty text (Python, C#)", withOpts({ rooms: "" }), "both"],
  ["rooms that are empty binary data", withOpts({ rooms: Buffer.alloc(0) }), "both"],
  ["rooms that are a text: each of its characters", withOpts({ rooms: "solo" }), "b"],
  ["rooms that are binary data: each byte's number", withOpts({ rooms: Buffer.from("s") }), "nobody"],
  ["rooms that are nobody's names", withOpts({ rooms: [null, true] }), "nobody"],
  ["nobody's names among rooms", withOpts({ rooms: ["solo", null, {}, Buffer.from("s"), DATE] }), "a"],
  ["exceptions that are nobody's names", withOpts({ except: [null, true, ["s"]] }), "both"],
  ["exceptions that are a text: each of its characters", withOpts({ except: "solo" }), "a"],
  ["exceptions that are an empty text", withOpts({ except: "" }), "both"],
  ...[true, 5, {}, { 0: "solo" }].flatMap((rooms, at) => [
    [`rooms that are no list, ${at}`, withOpts({ rooms }), ENDS],
    [`exceptions that are no list, ${at}`, withOpts({ except: rooms }), ENDS],
  ]),

  ["a type by a float", withType(TWO), "both"],
  ["a type by a text", withType("2"), "both"],
  ["a type by a long integer", withType(new Raw("cf0000000000000002")), "both"],
  ["a type by a signed integer", withType(new Raw("d30000000000000002")), "both"],
  ["the type of binary events, of emitters before 2", withType(5), { node: "cuts", kinglet: "both" }],
  ["no type", pack(["emitter", { data: DATA, nsp: "/" }, OPTS]), CUTS],
  ...[null, true, "x", "2.0", -2, {}].map((type, at) => [`types that are none, ${at}`, withType(type), CUTS]),

  ["a uid that is nil", withUid(null), "both"],
  ["a uid that is a number", withUid(5), "both"],
  ["a uid that is a map", withUid({}), "both"],
  ["a uid that is empty", withUid(""), "both"],
  ["no uid", pack([PACKET, OPTS]), ENDS],
  ["a fourth element", pack(["emitter", PACKET, OPTS, { more: [1] }]), "both"],
  ["unknown members", pack(["emitter", { ...PACKET, id: null, more: [{}] }, { ...OPTS, more: 1 }]), "both"],
  ["members by binary keys", pack(["emitter", binaryKeys(PACKET), binaryKeys(OPTS)]), "both"],
  ["members by other keys", pack(["emitter", new Map([...Object.entries(PACKET), [5, 1], [null, 2]]), OPTS]), "both"],
  ["a member twice: the last counts", pack(["emitter", new Map([["type", 0], ...Object.entries(PACKET)]), OPTS]), "both"],

  ["no namespace", pack(["emitter", { type: 2, data: DATA }, OPTS]), "both"],
  ["a namespace that is undefined", withPacket({ nsp: UNDEFINED }), "both"],
  ["a namespace without its slash", withPacket({ nsp: "" }), "nobody"],
  ["another namespace", withPacket({ nsp: "/custom" }), "nobody"],
  ["a namespace that is binary data", withPacket({ nsp: Buffer.from("/") }), "nobody"],
  ["a namespace that is nil", withPacket({ nsp: null }), "nobody"],
  ["a packet that is nil", pack(["emitter", null, OPTS]), "nobody"],
  ["a packet that is false", pack(["emitter", false, OPTS]), "nobody"],
  ["a packet that is a text", pack(["emitter", "x", OPTS]), ENDS],
  ["a packet that is an array (PHP)", pack(["emitter", [], OPTS]), CUTS],

  ["arguments with maps", withPacket({ data: ["news", { a: { b: [1] } }, {}] }), "both"],
  ["maps with other keys", withPacket({ data: ["news", new Map([[0, 1], [null, 2], [true, 3]])] }), "both"],
  ["maps with binary keys (Python)", withPacket({ data: ["news", new Map([[Buffer.from("a\"ü"), 1]])] }), "both"],
  ["maps with lists for keys (Python)", withPacket({ data: ["news", new Map([[[1, "a", null, [2, [3]]], 1]])] }), "both"],
  ["a map for the data", withPacket({ data: { 0: "news" } }), CUTS],
  ["data that is a text", withPacket({ data: "news" }), CUTS],
  ["a name that is binary data", withPacket({ data: [Buffer.from("news")] }), CUTS],

  ["a map for the message", pack({ 0: "emitter", 1: PACKET, 2: OPTS }), ENDS],
  ["JSON for the message", Buffer.from(JSON.stringify(["emitter", PACKET, OPTS])), ENDS],
  ["a byte too many", Buffer.concat([withOpts({}), Buffer.from([0xc0])]), ENDS],
];

const json = (request) => Buffer.from(JSON.stringify(request));
const join = (room, members) => ({ type: 2, opts: { rooms: [] }, rooms: [room], ...members });
const leave = (room, members) => ({ type: 3, opts: { rooms: [] }, rooms: [room], ...members });

/** Rows of a name, a function that makes a request to join a room, and the clients that join. */
export const JOINS = [
  ["one text instead of a list (Java)", (room) => json(join(room, { rooms: room })), "both"],
  ["a word for the type", (room) => json(join(room, { type: "socketsJoin", rooms: room })), "nobody"],
  ["a text for the type", (room) => json(join(room, { type: "2" })), "nobody"],
  ["a float for the type", (room) => Buffer.from(`{"type":2.0,"opts":{},"rooms":["${room}"]}`), "both"],
  ["an exponent for the type", (room) => Buffer.from(`{"type":20e-1,"opts":{},"rooms":["${room}"]}`), "both"],
  ["MessagePack instead of JSON", (room) => pack(join(room)), "both"],
  ["MessagePack with a float for the type", (room) => pack(join(room, { type: TWO })), "both"],
  ["bytes that are not UTF-8", (room) => Buffer.from(JSON.stringify(join(room, { more: "\xff" })), "latin1"), "both"],
  ["a member twice", (room) => Buffer.from(`{"type":9,"type":2,"opts":{},"rooms":["${room}"]}`), "both"],
  ["a uid that is null", (room) => json(join(room, { uid: null })), "both"],
  ["a uid that is a number", (room) => json(join(room, { uid: 5 })), "both"],
  ["a uid that is a list", (room) => json(join(room, { uid: [] })), "both"],
  ["an id of any kind", (room) => json(join(room, { requestId: 5, sid: 5, room: {}, close: {}, packet: 1 })), "both"],
  ["unknown members", (room) => json(join(room, { more: [{}] })), "both"],
  ["options that are an empty array (PHP)", (room) => json(join(room, { opts: [] })), "both"],
  ["options that are true", (room) => json(join(room, { opts: true })), "both"],
  ["options that are a number", (room) => json(join(room, { opts: 1 })), "both"],
  ["options that are null", (room) => json(join(room, { opts: null })), "nobody"],
  ["options that are an empty text", (room) => json(join(room, { opts: "" })), "nobody"],
  ["no rooms in the options", (room) => json(join(room, { opts: {} })), "both"],
  ["flags in the options", (room) => json(join(room, { opts: { rooms: [], flags: "" } })), "both"],
  ["rooms in the options that are an empty text", (room) => json(join(room, { opts: { rooms: "" } })), "both"],
  ["rooms in the options that are a text", (room) => json(join(room, { opts: { rooms: "solo" } })), "b"],
  ["exceptions that are a text", (room) => json(join(room, { opts: { except: "s" } })), "a"],
  ["nobody's names in the options", (room) => json(join(room, { opts: { rooms: [null, {}] } })), "nobody"],
  ["nobody's names among others", (room) => json(join(room, { opts: { rooms: [null, "s", {}] } })), "b"],
  ["rooms in the options that are no list", (room) => json(join(room, { opts: { rooms: { 0: "s" } } })), "nobody"],
  ["nobody's names among the rooms to join", (room) => json(join(room, { rooms: [null, room, {}] })), "both"],
  ["no rooms to join", (room) => json({ type: 2, opts: {}, room }), "nobody"],
  ["a map of rooms to join", (room) => json(join(room, { rooms: { 0: room } })), "nobody"],
];

/** The same for requests to leave a room. */
export const LEAVES = [
  ["a list", (room) => json(leave(room)), "both"],
  ["options that are an empty array (PHP)", (room) => json(leave(room, { opts: [] })), "both"],
  ["nobody's names among the rooms to leave", (room) => json(leave(room, { rooms: [null, room] })), "both"],
  ["one text instead of a list", (room) => json(leave(room, { rooms: room })), "nobody"],
  ["no rooms to leave", (room) => json({ type: 3, opts: {}, room }), "nobody"],
];

const disconnect = (id, members) => json({ type: 4, opts: { rooms: [id] }, ...members });

/** Rows of a name, a request to disconnect a socket, and what it loses. */
export const DISCONNECTS = [
  ["close is left out", (id) => disconnect(id, {}), "socket"],
  ["close is null", (id) => disconnect(id, { close: null }), "socket"],
  ["close is 0", (id) => disconnect(id, { close: 0 }), "socket"],
  ["close is an empty text", (id) => disconnect(id, { close: "" }), "socket"],
  ["close is 1", (id) => disconnect(id, { close: 1 }), "connection"],
  ["close is a text", (id) => disconnect(id, { close: "false" }), "connection"],
  ["close is a list", (id) => disconnect(id, { close: [] }), "connection"],
  ["the old form, without a request's id", (id) => json({ type: 4, sid: id }), "socket"],
  ["the old form, with close as a number", (id) => json({ type: 4, sid: id, requestId: 5, close: 1 }), "connection"],
];

const emit = (members) => ({ uid: "emitter", type: 6, data: ["sse-note", "x"], ...members });

/** Rows of a name, an event for the servers, and whether they hear it. */
export const SERVER_EVENTS = [
  ["as emitters have it", json(emit({})), true],
  ["without a uid", json(emit({ uid: undefined })), true],
  ["with options of any kind", json(emit({ opts: 5, rooms: 5, sid: {} })), true],
  ["with an id that is null", json(emit({ requestId: null })), true],
  ["with an id that is a number", json(emit({ requestId: 5 })), true],
  ["in MessagePack", pack(emit({ data: ["sse-note", { a: [1.5] }] })), true],
  ["a map for the data", json(emit({ data: { 0: "sse-note" } })), false],
  ["a text for the type", json(emit({ type: "6" })), false],
];
