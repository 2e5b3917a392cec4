import { hasCode, type SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Clock, MINUTE } from "../base/time.ts";

/** A difference of clocks, and when it was measured. */
export interface Skew {
  /** Own clock minus the manager's, in milliseconds. */
  readonly ms: number;
  /** Own wall clock, in milliseconds. */
  readonly at: number;
  /** Whether a verified manager said its time. */
  readonly isVerified: boolean;
}

/** A larger difference is told, in milliseconds. */
const TOLD = MINUTE;

/** Measures how far the own clock is from the managers'. It decides nothing. */
export class SkewMeter {
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  #skew: Skew | undefined;

  constructor(parts: { readonly clock: Clock; readonly logger: Logger }) {
    this.#parts = parts;
  }

  get skew(): Skew | undefined {
    return this.#skew;
  }

  /**
   * Takes the clocks that a failed dial names: while they differ by so much that
   * no manager can be verified, there is no better measure.
   */
  suspect(error: unknown): void {
    if (!hasCode(error, "clock-skew")) return;
    const { here, there } = (error as SwarmdError).data;
    if (typeof here !== "number" || typeof there !== "number") return;
    this.#skew = { ms: here - there, at: here, isVerified: false };
  }

  /**
   * Takes a manager's time.
   *
   * @param asked when it was asked for, by the own wall clock
   */
  measure(theirs: number, asked: number): void {
    const { clock, logger } = this.#parts;
    const at = clock.now();
    const ms = (asked + at) / 2 - theirs;
    const before = this.#skew?.isVerified ? this.#skew.ms : 0;
    this.#skew = { ms, at, isVerified: true };
    if (Math.abs(ms) <= TOLD || Math.abs(before) > TOLD) return;
    logger.warn("This machine's clock and the manager's differ", {
      skewMs: Math.round(ms),
    });
  }
}
