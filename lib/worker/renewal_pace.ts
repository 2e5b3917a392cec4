import { backoffDelay } from "../base/backoff.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import { MINUTE, SECOND } from "../base/time.ts";
import { renewalBackoffBound, renewalFloor } from "../cluster/expiry.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";

/** Renewals that may follow each other without a longer pause. */
const MAX_IN_A_ROW = 4;
/** And that between them, in milliseconds. */
const MIN_PAUSE = SECOND;

/** Longest time that a manager may have a node wait, in milliseconds. */
const MAX_WAIT = MINUTE;

/** When renewals come, for `status`. */
export interface PaceView {
  /** Wall clock, in milliseconds. */
  readonly dueAt: number;
  /** The manager said when it is to ask again. */
  readonly waits: boolean;
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
  /** Where it only rests: no try before, monotonic, for whatever reason. */
  #restsFrom = -Infinity;
  #waits = false;
  /** Whether a manager's word is taken that something else is issued now. */
  #believes = true;

  constructor(parts: PaceParts, dueAt: number) {
    this.#parts = parts;
    this.#dueAt = dueAt;
  }

  get view(): PaceView {
    return {
      dueAt: Math.max(this.#dueAt, this.#parts.clock.now() + this.pauseMs),
      waits: this.#waits,
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

  /**
   * One is wanted at once. No pause after a failure is shorter for it. A rest
   * is, where something else is to be issued than what is held: and if that was
   * not true, it is not believed again before something else was issued.
   */
  hurry({ changed }: { readonly changed: boolean }): void {
    this.#pushes++;
    this.#dueAt = Math.min(this.#dueAt, this.#parts.clock.now());
    const rests = this.#failures === 0 && this.#notBefore > this.#restsFrom;
    if (!changed || !rests || !this.#believes) return;
    this.#believes = false;
    this.#notBefore = this.#restsFrom;
  }

  /** The next one was drawn; a push since then counts more. */
  drawn(dueAt: number, pushes: number): void {
    if (pushes === this.#pushes) this.#dueAt = dueAt;
  }

  /**
   * A manager that says when it is time is believed once in a row: whoever
   * waited that long and is still refused has a problem.
   *
   * @returns whether the cause is that, and no failure
   */
  waits(cause: unknown): boolean {
    if (this.#waits || this.#failures > 0) return false;
    const waitMs = waitOf(cause);
    if (waitMs === undefined) return false;
    const { logger } = this.#parts;
    this.#waits = true;
    this.#rest(waitMs);
    const error = describeError(cause);
    logger.info("Certificate not renewed yet", { error, waitMs });
    return true;
  }

  #rest(forMs: number): void {
    const now = this.#parts.clock.monotonic();
    this.#restsFrom = now + MIN_PAUSE;
    this.#notBefore = now + Math.max(MIN_PAUSE, forMs);
  }

  /** The next try comes after a pause. */
  failed(cause: unknown): void {
    const { clock, random, logger, held } = this.#parts;
    const error = describeError(cause);
    this.#waits = false;
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
   * next one waits, and after a few in a row each waits for its share of that
   * time. One that brought another role or authority is none of a loop: who
   * changes them several times in a minute has the node follow.
   */
  succeeded(held: HeldIdentity, before: HeldIdentity): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    this.#waits = false;
    if (isOther(held, before)) {
      this.#believes = true;
      return this.#rest(MIN_PAUSE);
    }
    const now = this.#parts.clock.monotonic();
    this.#successes = [...this.#successes, now].slice(-MAX_IN_A_ROW);
    const [oldest = now] = this.#successes;
    const { issuedAt, certificate: { notAfter } } = held;
    const floorMs = renewalFloor({ issuedAt, notAfter });
    const full = this.#successes.length === MAX_IN_A_ROW;
    this.#rest(full ? oldest + floorMs - now : MIN_PAUSE);
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

function isOther(a: HeldIdentity, b: HeldIdentity): boolean {
  return a.role !== b.role ||
    a.certificate.authorityKeyId !== b.certificate.authorityKeyId;
}

/** How long a refusal says that the next try has to wait, in milliseconds. */
function waitOf(cause: unknown): number | undefined {
  if (!(cause instanceof SwarmdError) || cause.code !== "too-busy") {
    return undefined;
  }
  const { waitMs } = cause.data;
  return typeof waitMs === "number" && waitMs > 0 && waitMs <= MAX_WAIT
    ? waitMs
    : undefined;
}
