// Messages that no server of a cluster publishes: garbage, messages of wrong shape, and good ones cut short.

import notepack from "notepack.io";

const { encode } = notepack;
const DEEP = 100_000;
const nobody = { rooms: ["nobody"], except: [] };
const opts = { rooms: [], except: [], flags: {} };
const packet = (data, rest) => ({ type: 2, data, nsp: "/", ...rest });
const text = (value) => Buffer.from(value);
const hex = (value) => Buffer.from(value, "hex");
const json = (value) => text(JSON.stringify(value));

/** A broadcast of `news` as servers make it. */
export const goodBroadcast = (...args) => encode(["emitter", packet(["news", ...args]), opts]);

const TEXTS = ["", "\0", " ", "{", "}", "[", "{}", "[]", "null", "0", '"x"', '{"type":', "\ufeff{}", "PUBLISH x y"];
const UNFINISHED = [
  ...["c0", "c1", "93", "dc", "d6ff"],
  ...["dcffff", "ddffffffff", "deffff", "dfffffffff", "c6ffffffff", "dbffffffff"],
];

export const GARBAGE = [
  ...TEXTS.map(text),
  ...UNFINISHED.map(hex),
  Buffer.alloc(DEEP, 0x91),
  Buffer.alloc(DEEP, 0x81),
  text("[".repeat(DEEP)),
  text('{"a":'.repeat(DEEP)),
  hex("7bfffe7d"),
  Buffer.alloc(DEEP, 0xff),
];

/** Broadcasts that are MessagePack, and no broadcasts. */
const MISSHAPEN = [
  ...[null, 1, "text", {}, [], [1], ["x"], ["x", packet(["bad"])], ["x", packet(["bad"]), opts, 4]],
  ...[null, 5, "text", [], {}].map((wrong) => ["x", wrong, opts]),
  ...[null, 5, "text", {}, [], [null], [[]], [{}], [true]].map((data) => ["x", packet(data), opts]),
  ...["connect", "connect_error", "disconnect", "disconnecting"].map((name) => ["x", packet([name, 1]), opts]),
  ...[null, 5, "2", 0, 1, 3, 4, 6, -1].map((type) => ["x", packet(["bad"], { type }), opts]),
  ...[5, "", "other", "/other", [], {}].map((nsp) => ["x", packet(["bad"], { nsp }), opts]),
  ...[null, 5, "text", []].map((wrong) => ["x", packet(["bad"]), wrong]),
  ...[5, "text", {}, [null], [{}], [[]], [Buffer.from("x")]].flatMap((wrong) => [
    ["x", packet(["bad"]), { ...opts, rooms: wrong }],
    ["x", packet(["bad"]), { ...opts, except: wrong }],
  ]),
  ...[5, "text", [1], { volatile: "yes" }, { timeout: -1 }].map((flags) => ["x", packet(["bad"]), { ...opts, flags }]),
  ...[null, 5, {}, "x".repeat(10_000)].map((uid) => [uid, packet(["bad"]), opts]),
];

/** Broadcasts that encoders of JavaScript do not make. */
const MALFORMED = [
  nested((inner) => Buffer.concat([Buffer.alloc(DEEP, 0x91), inner])),
  nested((inner) => Buffer.concat([Buffer.alloc(500, 0x91), inner])),
  nested(() => hex("a2fffe")),
  nested(() => hex("8101c0")),
  nested(() => hex("c70a2a00000000000000000000")),
  nested(() => hex("cb7ff8000000000000")),
  nested(() => hex("d7ffffffffffffffffff")),
  nested(() => hex("c70cffffffffff7fffffffffffffff")),
  nested(() => encode(Array.from({ length: 10 }, () => Buffer.from([1])))),
];

const REQUESTS = [
  ...[null, 5, "x", [], {}, { type: null }, { type: "2" }, { type: -1 }, { type: 99 }, { type: 1e300 }, { type: 2.5 }],
  ...[0, 1, 5].flatMap((type) => [7, {}, null].flatMap((requestId) => [{ type }, { type, requestId, uid: 5 }])),
  ...[null, 5, "x", [], { rooms: 5 }, { rooms: [{}] }, { rooms: ["nobody"], except: "x" }].flatMap((opts) => [
    ...[0, 5].map((type) => ({ uid: "x", requestId: "r", type, opts, rooms: opts })),
    ...[2, 3].map((type) => ({ uid: "x", type, opts: { ...nobody, ...opts }, rooms: ["bad"] })),
  ]),
  ...[null, 5, "x", {}, [5], [null], [{}]].flatMap((rooms) => [2, 3].map((type) => ({ type, opts: nobody, rooms }))),
  ...[2, 3, 4].flatMap((type) => [{ type }, ...[5, "nobody"].map((sid) => ({ type, sid, room: {} }))]),
  ...[5, "x", {}, [null], [{}]].map((rooms) => ({ type: 4, opts: { rooms, except: [] }, close: true })),
  ...[null, 5, "x", {}, [], [null], [5], [{}], ["connection"], ["sse-ask"], ["sse-note"]].flatMap((data) => [
    { uid: "x", type: 6, data },
    { uid: "x", type: 6, requestId: "r", data },
  ]),
  ...[null, 5, "x", [], {}, packet(null), packet([]), packet([null])].flatMap((packet) => [
    { uid: "x", requestId: "r", type: 7, packet, opts: nobody },
    { uid: "x", requestId: "r", type: 7, packet, opts: null },
  ]),
  ...[8, 9].map((type) => ({ type, requestId: "r" })),
];

/** Answers that might fit a request by its id, and nothing else. */
const answers = (requestId) => [
  ...[null, 5, "x", {}, [], [null], [5], [{}], [{ id: 5 }], [{ id: "x", rooms: 5, data: {}, handshake: 5 }]].flatMap(
    (list) => [{ requestId, sockets: list }, { requestId, rooms: list }],
  ),
  { requestId },
  ...[6, 8, 9, "8", null, 77].map((type) => ({ type, requestId })),
  ...[-1, 1.5, "x", null, 2 ** 53].map((clientCount) => ({ type: 8, requestId, clientCount })),
];

/** A broadcast with an argument that `make` builds around nil. */
function nested(make) {
  const whole = encode(["x", packet(["bad", "MARK"]), opts]);
  const mark = encode("MARK");
  const at = whole.indexOf(mark);
  return Buffer.concat([whole.subarray(0, at), make(Buffer.from([0xc0])), whole.subarray(at + mark.length)]);
}

export const WRONG_BROADCASTS = [...MISSHAPEN.map((value) => encode(value)), ...MALFORMED];
export const WRONG_REQUESTS = REQUESTS.flatMap((request) => [json(request), encode(request)]);
export const wrongAnswers = (requestId) => answers(requestId).flatMap((answer) => [json(answer), encode(answer)]);

/** Each message cut short after every byte, and with one byte too many. */
const damaged = (...messages) =>
  messages.flatMap((message) => [
    ...Array.from(message, (_, length) => message.subarray(0, length)),
    Buffer.concat([message, hex("c0")]),
  ]);

export const DAMAGED_BROADCASTS = damaged(
  encode(["x", packet(["bad", "text", 1.5, [text("bytes")], new Date()]), { ...opts, rooms: ["room"] }]),
);
export const DAMAGED_REQUESTS = damaged(
  json({ uid: "x", type: 2, opts: nobody, rooms: ["bad"] }),
  encode({ uid: "x", requestId: "r", type: 7, packet: packet(["bad"]), opts: nobody }),
);

const levels = "[".repeat(DEEP) + "]".repeat(DEEP);
export const DEEP_REQUESTS = [
  text(`{"uid":"x","type":6,"data":["sse-note",${levels}]}`),
  text(`{"uid":"x","requestId":"r","type":5,"opts":{"rooms":${levels}}}`),
];
