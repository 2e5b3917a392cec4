import type { Clock } from "../base/time.ts";
import { type BucketOptions, TokenBuckets } from "../base/token_buckets.ts";
import { prefixOf } from "../rpc/address_prefix.ts";

/**
 * Bounds of what strangers may cost: new connections from one IPv4 address or
 * IPv6 /64, and all together.
 */
export interface LimitOptions extends BucketOptions {
  /** Open connections that are not admitted, from all addresses together. */
  readonly maxAnonymous: number;
}

/**
 * Whole sites sit behind one address, hence the burst: 1,000 nodes return within
 * seconds of a restart, and each admitted one gives its token back.
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

/**
 * Who may connect, decided before any handshake. Counts only; the caller closes
 * sockets. Every operation takes constant time, spread over arrivals.
 */
export class ConnectionLimits<T> {
  readonly #options: LimitOptions;
  readonly #buckets: TokenBuckets;
  /** Strangers, with the bucket that they took from; the oldest first. */
  readonly #anonymous = new Map<T, string>();

  constructor(clock: Clock, options: LimitOptions = DEFAULT_LIMITS) {
    this.#options = options;
    this.#buckets = new TokenBuckets(clock, options);
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
    const bucket = this.#buckets.take(prefixOf(address));
    if (bucket === undefined) return { accepted: false };
    this.#anonymous.set(connection, bucket);
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
    const bucket = this.#anonymous.get(connection);
    if (bucket === undefined) return;
    this.#anonymous.delete(connection);
    this.#buckets.giveBack(bucket);
  }

  /**
   * It proved to have a place in a bounded queue: it no longer counts. Its token
   * is spent, since whoever may wait could come as often as it likes otherwise.
   */
  keep(connection: T): void {
    this.#anonymous.delete(connection);
  }

  /** It is closed. */
  leave(connection: T): void {
    this.#anonymous.delete(connection);
  }
}
