/** What a reader has seen of the numbers of one writer. */
export interface DrillReading {
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Longest time between two numbers, in milliseconds. */
  readonly longestGapMs: number;
}

/** Time between two numbers of one writer, in milliseconds. */
export const DRILL_PERIOD_MS = 100;
/** Missing numbers remembered, so that a late one counts as reordered. */
const MAX_MISSING = 4_096;

/**
 * Reads the numbers that an application wrote on the other side, above the
 * session: each writer counts 1, 2, 3 … and never repeats, whatever happens to
 * connections and sessions beneath.
 */
export class DrillReader {
  #stream: string | undefined;
  #highest = 0;
  #received = 0;
  #duplicated = 0;
  #reordered = 0;
  #longestGapMs = 0;
  #lastAt: number | undefined;
  #lost = 0;
  readonly #missing = new Set<number>();

  /** @param at monotonic clock, in milliseconds */
  read(written: { stream: string; number: number }, at: number): void {
    if (this.#stream !== written.stream) this.#follow(written.stream);
    this.#received++;
    if (this.#lastAt !== undefined) {
      this.#longestGapMs = Math.max(this.#longestGapMs, at - this.#lastAt);
    }
    this.#lastAt = at;
    this.#count(written.number);
  }

  get reading(): DrillReading {
    return {
      received: this.#received,
      lost: this.#lost + this.#missing.size,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      longestGapMs: this.#longestGapMs,
    };
  }

  /** Another process writes now; what the one before lost stays counted. */
  #follow(stream: string): void {
    this.#lost += this.#missing.size;
    this.#missing.clear();
    this.#stream = stream;
    this.#highest = 0;
    this.#lastAt = undefined;
  }

  #count(number: number): void {
    if (number > this.#highest) {
      this.#miss(this.#highest + 1, number);
      this.#highest = number;
    } else if (this.#missing.delete(number)) this.#reordered++;
    else this.#duplicated++;
  }

  #miss(from: number, to: number): void {
    const remembered = Math.min(to - from, MAX_MISSING - this.#missing.size);
    for (let n = to - remembered; n < to; n++) this.#missing.add(n);
    this.#lost += to - from - remembered;
  }
}
