import type { Bytes } from "./bytes.ts";
import type { Random } from "./random.ts";

/**
 * A seeded generator (mulberry32): repeatable, for drills and tests, and never
 * for secrets.
 */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, below). */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  bytes(length: number): Bytes {
    return Uint8Array.from({ length }, () => this.integer(256));
  }
}
