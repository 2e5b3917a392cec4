import { type Clock, SECOND } from "./time.ts";

/** How often something may happen, counted apart for each key. */
export interface BucketOptions {
  /** So many a second for one key, on average. */
  readonly ratePerSecond: number;
  /** How many may come at once. */
  readonly burst: number;
  /** Keys that are counted apart; the rest share one count. */
  readonly maxBuckets: number;
}

interface Bucket {
  tokens: number;
  /** When it was counted, monotonic. */
  at: number;
}

/**
 * Token buckets by key, such as an address; about 150 bytes each. Every
 * operation takes constant time, spread over calls.
 */
export class TokenBuckets {
  readonly #options: BucketOptions;
  readonly #clock: Clock;
  /** The least recently used first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, options: BucketOptions) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Buckets that are not full. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes a token of a key.
   *
   * @returns the name of its bucket, or `undefined` when that is empty
   */
  take(key: string): string | undefined {
    const name = this.#counted(key);
    const bucket = this.#buckets.get(name) ??
      { tokens: this.#options.burst, at: this.#clock.monotonic() };
    bucket.tokens = this.#tokensNow(bucket);
    bucket.at = this.#clock.monotonic();
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (bucket.tokens < 1) return undefined;
    bucket.tokens -= 1;
    return name;
  }

  /** Gives a token back to the bucket of a name. */
  giveBack(name: string): void {
    const bucket = this.#buckets.get(name);
    if (!bucket) return; // it was full again, and forgotten
    bucket.tokens = Math.min(this.#options.burst, bucket.tokens + 1);
  }

  #tokensNow({ tokens, at }: Bucket): number {
    const seconds = (this.#clock.monotonic() - at) / SECOND;
    return Math.min(
      this.#options.burst,
      tokens + seconds * this.#options.ratePerSecond,
    );
  }

  /** A bucket that is full again says nothing. */
  #forgetIdle(): void {
    for (const [name, bucket] of this.#buckets) {
      if (this.#tokensNow(bucket) < this.#options.burst) return;
      this.#buckets.delete(name);
    }
  }

  /** A flood from countless keys must not cost memory: it shares a bucket. */
  #counted(key: string): string {
    this.#forgetIdle();
    const known = this.#buckets.has(key) ||
      this.#buckets.size < this.#options.maxBuckets;
    return known ? key : OTHERS;
  }
}

const OTHERS = "others";
