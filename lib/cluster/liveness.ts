import type { Random } from "../base/random.ts";

/** Beats that may be missed before a node is `down`. */
export const MISSED_BEATS = 3;

/** The next heartbeat period, in milliseconds: the cluster's, ± 10 %, so that beats spread out. */
export function nextBeat(heartbeatMs: number, random: Random): number {
  return heartbeatMs * (0.9 + 0.2 * random.uniform());
}

/** How long a session may be silent, in milliseconds. */
export function silenceLimit(heartbeatMs: number): number {
  return heartbeatMs * MISSED_BEATS;
}

/** What the wall clock did between two looks at both clocks. */
export interface ClockLook {
  readonly wall: number;
  readonly monotonic: number;
}

/** Steps smaller than this are drift and scheduling, in milliseconds. */
const JUMP_MS = 5_000;

/**
 * How far the wall clock jumped between two looks, in milliseconds, forwards
 * positive; 0 for ordinary drift. A suspend looks like a jump forwards, since
 * the monotonic clock stands still meanwhile.
 */
export function clockJump(before: ClockLook, after: ClockLook): number {
  const jump = (after.wall - before.wall) -
    (after.monotonic - before.monotonic);
  return Math.abs(jump) < JUMP_MS ? 0 : jump;
}
