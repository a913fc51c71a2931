// Values to send through clusters: at the edges of MessagePack's forms, names of rooms that could mean something else
// to Redis, and arbitrary values from a seed.

const TEXT_LENGTHS = [0, 31, 32, 255, 256];
const LENGTHS = [0, 15, 16];

const NUMBERS = [
  ...[0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 53, 1e18],
  ...[-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, Number.MIN_SAFE_INTEGER, -1e18],
  ...[0.1, 1.5, -0.5, 1e-7, Number.MIN_VALUE, 1_234.567_89, -2.2250738585072014e-308],
];

const TEXTS = [
  ...TEXT_LENGTHS.map((length) => "x".repeat(length)),
  ...["ü", "日本語", "🦜", "\u0000\u001f\u007f", '"\\/', "\u2028\u2029\ufeff", "__proto__", "{", "null"],
];

export const VALUES = [
  null,
  true,
  false,
  ...NUMBERS,
  ...TEXTS,
  ...LENGTHS.map((length) => Array.from({ length }, (_, index) => index)),
  ...LENGTHS.map((length) => Object.fromEntries(Array.from({ length }, (_, index) => [`key ${index}`, index]))),
  { "": { "ü 🦜": [[], {}, [{ deep: [null, { er: [false] }] }]] } },
  { type: "Buffer", data: [1, 2] },
  { _placeholder: true, num: 0 },
];

export const LONG_TEXT = "ü".repeat(40_000);

export const ODD_ROOMS = [
  ...["#", "a#b", "##", "*", "a*", "?", "[ab]", "\\", " ", "with space", "ü", "🦜", "\u0000", "\r\n", "{}", ""],
  ...["0", "7", "-1", "1e3", "1.0", "NaN", "true", "null", "__proto__", "constructor", "x".repeat(256)],
];

/** Arbitrary values, the same for the same seed. */
export class Arbitrary {
  constructor(seed) {
    this.state = seed;
    this.binaries = 0;
  }

  /** A whole number below `bound`. */
  below(bound) {
    // xorshift32
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % bound;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** Arguments of one event, with a few binaries: as many as one packet may have. */
  args() {
    this.binaries = 0;
    return Array.from({ length: this.below(5) }, () => this.value(4));
  }

  value(depth) {
    const kind = this.below(depth === 0 ? 5 : 8);
    if (kind < 2) return this.pick(NUMBERS);
    if (kind === 2) return this.pick([null, true, false, this.below(2 ** 32), this.below(2 ** 32) / 1_000]);
    if (kind === 3) return this.text();
    if (kind === 4) return this.binary();
    if (kind < 7) return Array.from({ length: this.below(5) }, () => this.value(depth - 1));
    // No single `__proto__`, which is no key like others to Node's decoder.
    return Object.fromEntries(Array.from({ length: this.below(5) }, () => [`k${this.text()}`, this.value(depth - 1)]));
  }

  text() {
    return Array.from({ length: this.below(4) }, () => this.pick(TEXTS)).join("");
  }

  binary() {
    if (++this.binaries > 5) return null;
    return Buffer.from(Array.from({ length: this.below(300) }, () => this.below(256)));
  }
}
