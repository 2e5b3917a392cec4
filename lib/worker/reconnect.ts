import { backoffDelay } from "../base/backoff.ts";
import { hasCode, SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { SECOND } from "../base/time.ts";

/** Longest pause before another dial, in milliseconds. */
const MAX_PAUSE = 3 * SECOND;
/** Bound of a pause after the shortest outage, in milliseconds. */
const MIN_BOUND = 200;
/** Part of an outage that a pause may add to it. */
const OUTAGE_SHARE = 1 / 9;
/** Longest pause after a manager has refused, in milliseconds. */
const MAX_REFUSED_PAUSE = 60 * SECOND;
/** Longest pause while clocks differ, in milliseconds: they are set soon after a start. */
const MAX_SKEW_PAUSE = 10 * SECOND;
const BASE = 100;

/** What the pause depends on. */
export interface Outage {
  /** Failures in a row, at least 1. */
  readonly failures: number;
  readonly error: unknown;
  /** Since the last connection was lost, in milliseconds. */
  readonly outageMs: number;
}

/**
 * The pause before another dial, in milliseconds. Short after a short outage,
 * and never more than 3 s: a manager that restarts after minutes finds its
 * fleet back within seconds. A refusal is an answer, which asking again at
 * once would not change: up to a minute, or 10 s where it is the clocks.
 */
export function reconnectPause(outage: Outage, random: Random): number {
  const { failures, error, outageMs } = outage;
  const maxMs = isRefusal(error)
    ? hasCode(error, "clock-skew") ? MAX_SKEW_PAUSE : MAX_REFUSED_PAUSE
    : Math.min(MAX_PAUSE, Math.max(MIN_BOUND, outageMs * OUTAGE_SHARE));
  return backoffDelay(failures, { baseMs: BASE, maxMs }, random);
}

/** Whether a manager, or the check of one, said no. */
export function isRefusal(error: unknown): boolean {
  return error instanceof SwarmdError &&
    !hasCode(error, "unreachable", "timed-out", "session-ended");
}
