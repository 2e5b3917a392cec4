import { backoffDelay } from "../base/backoff.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { MINUTE, SECOND } from "../base/time.ts";
import type { RecoverableReason } from "../cluster/admission.ts";
import type { Adopted } from "./adoption.ts";
import {
  recoverOnce,
  type RecoveryCause,
  type RecoveryParts,
} from "./recover_once.ts";

/** Longest pause between two tries, in milliseconds. */
const MAX_PAUSE = MINUTE;
/** Shortest, in milliseconds. */
const MIN_PAUSE = SECOND;

/** How it stands, for `status`. */
export interface RecoveryView {
  readonly reason: RecoverableReason;
  /** Of the new key, while an operator has to decide. */
  readonly pending: string | undefined;
  readonly lastError: string | undefined;
}

/** A refusal that may mean that the identity is to be recovered. */
export function recoverableReason(
  { code }: SwarmdError,
): RecoverableReason | undefined {
  return REASONS.find((each) => each === code);
}

const REASONS: readonly RecoverableReason[] = [
  "expired",
  "dropped-root",
  "replaced",
  "newer-than-store",
];

/**
 * Gets a new certificate for an identity that is not good any more, with a new
 * key that is on disk before it is used. It is asked for once at a time, for as
 * long as it takes: nothing ends because a certificate did. Where an operator
 * has to decide, the question stays open, and fails with its connection.
 */
export class Recovery {
  readonly #parts: RecoveryParts;
  #cause: RecoveryCause | undefined;
  #failures = 0;
  /** When the last try began, monotonic. */
  #askedAt = -Infinity;
  /** Of the try that is under way. */
  #asking: AbortController | undefined;
  #lastError: string | undefined;
  #pending: string | undefined;
  /** No try before, by the monotonic clock, in milliseconds. */
  #notBefore = -Infinity;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Whether the identity in use waits to be recovered. */
  get isWanted(): boolean {
    return this.#cause !== undefined;
  }

  get view(): RecoveryView | undefined {
    return this.#cause && {
      reason: this.#cause.reason,
      pending: this.#pending,
      lastError: this.#lastError,
    };
  }

  /** How long the next try has to wait, in milliseconds. */
  get pauseMs(): number {
    return Math.max(0, this.#notBefore - this.#parts.clock.monotonic());
  }

  /** A verified manager refused the identity in use. */
  begin(cause: RecoveryCause): void {
    const before = this.#cause;
    this.#cause = cause;
    if (before) return;
    const { reason } = cause;
    this.#parts.logger.warn("The certificate is to be recovered", { reason });
  }

  /** A manager answered a `hello` under the identity in use. */
  end(): void {
    this.#cause = undefined;
    this.#pending = undefined;
    this.#lastError = undefined;
    this.#failures = 0;
    // What waits for an operator would hold up every renewal.
    this.#asking?.abort();
  }

  /**
   * Asks once.
   *
   * @returns the next identity, which is not saved yet; `undefined` when it is
   * to be tried again
   * @throws {SwarmdError} `removed` when a verified manager says so
   */
  async attempt(signal: AbortSignal): Promise<Adopted | undefined> {
    const cause = this.#cause;
    if (!cause) return undefined;
    const asking = this.#asking = new AbortController();
    this.#askedAt = this.#parts.clock.monotonic();
    try {
      const either = AbortSignal.any([signal, asking.signal]);
      return await recoverOnce(this.#parts, {
        ...{ cause, signal: either },
        pending: (node, fingerprint) => this.#waits(node, fingerprint),
      });
    } catch (error) {
      signal.throwIfAborted();
      // No other try changes that, and the dial for the session may be a minute off.
      if (hasCode(error, "removed")) throw error;
      if (!asking.signal.aborted) this.failed(error);
      return undefined;
    }
  }

  /** The next try comes after a pause. */
  failed(cause: unknown): void {
    const { clock, random, logger } = this.#parts;
    const error = describeError(cause);
    // A question that stayed open for long is no failure of those before.
    const lastedMs = clock.monotonic() - this.#askedAt;
    this.#failures = lastedMs >= MAX_PAUSE ? 1 : this.#failures + 1;
    this.#lastError = error;
    const options = { baseMs: MIN_PAUSE, maxMs: MAX_PAUSE };
    const pauseMs = backoffDelay(this.#failures, options, random);
    this.#notBefore = clock.monotonic() + pauseMs;
    const level = this.#failures === 1 ? "warn" : "debug";
    logger[level](
      "Certificate not recovered; trying again. If that does not help, join again with `swarmd worker join`",
      { error, failures: this.#failures },
    );
  }

  /** The manager says it again and again; people are told once. */
  #waits(node: string, fingerprint: string): void {
    const { event, logger } = this.#parts;
    this.#lastError = undefined;
    if (this.#pending === fingerprint) return;
    this.#pending = fingerprint;
    logger.warn("An operator has to let this node in again", {
      node,
      fingerprint,
    });
    event({ event: "pending", node, fingerprint });
  }
}
