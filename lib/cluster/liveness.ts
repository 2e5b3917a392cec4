import type { Random } from "../base/random.ts";

/** Beats that may be missed before a node is `down`. */
const MISSED_BEATS = 3;

/** The next heartbeat period, in milliseconds: the cluster's, ± 10 %, so that beats spread out. */
export function nextBeat(heartbeatMs: number, random: Random): number {
  return heartbeatMs * (0.9 + 0.2 * random.uniform());
}

/** How long a session may be silent, in milliseconds. */
export function silenceLimit(heartbeatMs: number): number {
  return heartbeatMs * MISSED_BEATS;
}
