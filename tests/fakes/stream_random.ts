import { type Bytes, utf8 } from "../../lib/base/bytes.ts";
import type { Random } from "../../lib/base/random.ts";
import { sha256 } from "./sha256.ts";

/**
 * A repeatable generator with a stream of its own per label (sfc32, 128 bits of
 * state). `SeededRandom` has one stream for all seeds: with thousands of them
 * in one simulation two would meet, and make equal ids.
 */
export class StreamRandom implements Random {
  readonly #state: Int32Array;

  constructor(label: string) {
    const hash = sha256(utf8(label));
    this.#state = new Int32Array(hash.buffer.slice(0, 16));
    for (let i = 0; i < 12; i++) this.#next();
  }

  uniform(): number {
    return this.#next() / 2 ** 32;
  }

  bytes(length: number): Bytes {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.#next();
    return new Uint8Array(words.buffer, 0, length).slice();
  }

  /** A whole number in [0, below). */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** A number in [from, to). */
  between(from: number, to: number): number {
    return from + (to - from) * this.uniform();
  }

  /** True with a probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** One of several. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(items.length)];
    if (item === undefined) throw new RangeError("Cannot pick from nothing");
    return item;
  }

  /** A time until the next of events that come by themselves, in milliseconds. */
  interval(meanMs: number): number {
    return Math.ceil(-Math.log(1 - this.uniform()) * meanMs);
  }

  #next(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = [s[0], s[1], s[2], s[3]];
    const t = (a + b + d) | 0;
    s[0] = b ^ (b >>> 9);
    s[1] = (c + (c << 3)) | 0;
    s[2] = (((c << 21) | (c >>> 11)) + t) | 0;
    s[3] = (d + 1) | 0;
    return t >>> 0;
  }
}
