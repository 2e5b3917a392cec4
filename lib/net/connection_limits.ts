import { toHex } from "../base/bytes.ts";
import type { Clock } from "../base/time.ts";
import { SECOND } from "../base/time.ts";
import { parseIp } from "../pki/host_names.ts";

/** Bounds of what strangers may cost. */
export interface LimitOptions {
  /** New connections a second from one IPv4 address or IPv6 /64. */
  readonly ratePerSecond: number;
  /** How many may come at once. */
  readonly burst: number;
  /** Open connections that are not admitted, from all addresses together. */
  readonly maxAnonymous: number;
  /** Addresses that are counted apart; the rest share one count. */
  readonly maxBuckets: number;
}

/**
 * Whole sites sit behind one address, hence the burst: 1,000 nodes return within
 * seconds of a restart, and each admitted one gives its token back. A bucket is
 * about 150 bytes.
 */
export const DEFAULT_LIMITS: LimitOptions = {
  ratePerSecond: 200,
  burst: 1_000,
  maxAnonymous: 512,
  maxBuckets: 16_384,
};

/** What to do with a connection that has just come. */
export type Arrival<T> =
  | { readonly accepted: false }
  | {
    readonly accepted: true;
    /** The oldest stranger, which has to go for it. */
    readonly evicted?: T;
  };

interface Bucket {
  tokens: number;
  /** When it was counted, monotonic. */
  at: number;
}

/**
 * Who may connect, decided before any handshake. Counts only; the caller closes
 * sockets. Every operation takes constant time, spread over arrivals.
 */
export class ConnectionLimits<T> {
  readonly #options: LimitOptions;
  readonly #clock: Clock;
  /** By prefix; the least recently used first. */
  readonly #buckets = new Map<string, Bucket>();
  /** Strangers, with the bucket that they took from; the oldest first. */
  readonly #anonymous = new Map<T, string>();

  constructor(clock: Clock, options: LimitOptions = DEFAULT_LIMITS) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Strangers now. */
  get anonymous(): number {
    return this.#anonymous.size;
  }

  /** Addresses that are counted now. */
  get buckets(): number {
    return this.#buckets.size;
  }

  /** A connection has come from an address. */
  arrive(connection: T, address: string): Arrival<T> {
    const key = this.#counted(prefixOf(address));
    if (!this.#takeToken(key)) return { accepted: false };
    this.#anonymous.set(connection, key);
    if (this.#anonymous.size <= this.#options.maxAnonymous) {
      return { accepted: true };
    }
    const [evicted] = this.#anonymous.keys();
    if (evicted === undefined) return { accepted: true }; // unreachable
    this.#anonymous.delete(evicted);
    return { accepted: true, evicted };
  }

  /** It proved to be a node: it no longer counts, and gives its token back. */
  admit(connection: T): void {
    const key = this.#anonymous.get(connection);
    if (key === undefined) return;
    this.#anonymous.delete(connection);
    const bucket = this.#buckets.get(key);
    if (!bucket) return; // it was full again, and forgotten
    bucket.tokens = Math.min(this.#options.burst, bucket.tokens + 1);
  }

  /** It is closed. */
  leave(connection: T): void {
    this.#anonymous.delete(connection);
  }

  #takeToken(key: string): boolean {
    const bucket = this.#buckets.get(key) ??
      { tokens: this.#options.burst, at: this.#clock.monotonic() };
    bucket.tokens = this.#tokensNow(bucket);
    bucket.at = this.#clock.monotonic();
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
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
    for (const [key, bucket] of this.#buckets) {
      if (this.#tokensNow(bucket) < this.#options.burst) return;
      this.#buckets.delete(key);
    }
  }

  /** A flood from countless prefixes must not cost memory: it shares a bucket. */
  #counted(prefix: string): string {
    this.#forgetIdle();
    const known = this.#buckets.has(prefix) ||
      this.#buckets.size < this.#options.maxBuckets;
    return known ? prefix : OTHERS;
  }
}

const OTHERS = "others";

/** What is counted together: an IPv4 address, or the /64 of an IPv6 address. */
export function prefixOf(address: string): string {
  const bytes = parseIp(address);
  if (bytes?.length !== 16) return address;
  return toHex(bytes.subarray(0, 8));
}
