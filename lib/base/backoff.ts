import type { Random } from "./random.ts";

/** How retries are spaced. */
export interface BackoffOptions {
  /** Bound of the first delay, in milliseconds. */
  readonly baseMs: number;
  /** Bound of every delay, in milliseconds. */
  readonly maxMs: number;
}

/**
 * The delay before a retry, in milliseconds: exponential, capped, and uniform
 * in the upper half of the bound ("equal jitter"), so that a fleet spreads out
 * and nobody retries at once.
 *
 * @param failures how often it failed so far in a row, at least 1
 */
export function backoffDelay(
  failures: number,
  options: BackoffOptions,
  random: Random,
): number {
  const bound = Math.min(
    options.maxMs,
    options.baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 40),
  );
  return bound * (0.5 + random.uniform() / 2);
}
