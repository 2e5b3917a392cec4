import { backoffDelay } from "../base/backoff.ts";
import { describeError } from "../base/errors.ts";
import { MINUTE, SECOND } from "../base/time.ts";
import { renewalBackoffBound, renewalFloor } from "../cluster/expiry.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";

/** Renewals that may follow each other without a longer pause. */
const MAX_IN_A_ROW = 4;
/** And that between them, in milliseconds. */
const MIN_PAUSE = SECOND;

/** When renewals come, for `status`. */
export interface PaceView {
  /** Wall clock, in milliseconds. */
  readonly dueAt: number;
  readonly failures: number;
  readonly lastFailure:
    | { readonly at: number; readonly error: string }
    | undefined;
}

/** What a pace is kept with. */
export interface PaceParts
  extends Pick<WorkerPorts, "clock" | "random" | "logger"> {
  held(): HeldIdentity;
}

/** When the next renewal is due, and how long it has to wait all the same. */
export class RenewalPace {
  readonly #parts: PaceParts;
  #dueAt: number;
  /** How often a renewal was wanted at once. */
  #pushes = 0;
  /** No try before, by the monotonic clock, in milliseconds. */
  #notBefore = -Infinity;
  #failures = 0;
  #lastFailure: PaceView["lastFailure"];
  #warnedAt = -Infinity;
  /** When the last renewals succeeded, monotonic, oldest first. */
  #successes: readonly number[] = [];

  constructor(parts: PaceParts, dueAt: number) {
    this.#parts = parts;
    this.#dueAt = dueAt;
  }

  get view(): PaceView {
    return {
      dueAt: Math.max(this.#dueAt, this.#parts.clock.now() + this.pauseMs),
      failures: this.#failures,
      lastFailure: this.#lastFailure,
    };
  }

  /** Of the last tries, one after the other. */
  get failures(): number {
    return this.#failures;
  }

  /** Wall clock, in milliseconds. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** How often a renewal was wanted at once, so far. */
  get pushes(): number {
    return this.#pushes;
  }

  /** Until the next try, in milliseconds; may be negative. */
  get pauseMs(): number {
    return this.#notBefore - this.#parts.clock.monotonic();
  }

  /** One is wanted at once. No pause after a failure is shorter for it. */
  hurry(): void {
    this.#pushes++;
    this.#dueAt = Math.min(this.#dueAt, this.#parts.clock.now());
  }

  /** The next one was drawn; a push since then counts more. */
  drawn(dueAt: number, pushes: number): void {
    if (pushes === this.#pushes) this.#dueAt = dueAt;
  }

  /** The next try comes after a pause. */
  failed(cause: unknown): void {
    const { clock, random, logger, held } = this.#parts;
    const error = describeError(cause);
    this.#failures++;
    this.#lastFailure = { at: clock.now(), error };
    const text = clock.now() < held().certificate.notAfter
      ? "Certificate not renewed; the old one serves on"
      : "Certificate not renewed, and it has ended; if this machine's clock is right, join again with a token";
    logger[this.#levelOfFailure()](text, { error, failures: this.#failures });
    const options = { baseMs: SECOND, maxMs: this.#longestPause() };
    const pauseMs = backoffDelay(this.#failures, options, random);
    this.#notBefore = clock.monotonic() + pauseMs;
  }

  /**
   * Whatever an authority answers, no node renews in a tight loop (W6): the
   * next one waits, and after a few in a row, as rotations ask for, each waits
   * for its share of that time.
   */
  succeeded({ issuedAt, certificate: { notAfter } }: HeldIdentity): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    const now = this.#parts.clock.monotonic();
    this.#successes = [...this.#successes, now].slice(-MAX_IN_A_ROW);
    const [oldest = now] = this.#successes;
    const floorMs = renewalFloor({ issuedAt, notAfter });
    const full = this.#successes.length === MAX_IN_A_ROW;
    this.#notBefore = full ? Math.max(now, oldest + floorMs) : now + MIN_PAUSE;
  }

  /**
   * A certificate that has ended is in no hurry: most likely this clock is
   * wrong, and each request would cost the manager another signature.
   */
  #longestPause(): number {
    const now = this.#parts.clock.now();
    const { issuedAt, certificate: { notAfter } } = this.#parts.held();
    const at = now < notAfter ? now : issuedAt;
    return renewalBackoffBound({ issuedAt, notAfter }, at);
  }

  /** Short-lived certificates are tried for each second. */
  #levelOfFailure(): "warn" | "debug" {
    const now = this.#parts.clock.monotonic();
    const recent = now - this.#warnedAt < MINUTE;
    if (recent && this.#failures > 1) return "debug";
    this.#warnedAt = now;
    return "warn";
  }
}
