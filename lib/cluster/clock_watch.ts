import { type Clock, sleep } from "../base/time.ts";

/** What both clocks said at one look. */
interface Look {
  readonly wall: number;
  readonly monotonic: number;
}

/** Steps smaller than this are drift and scheduling, in milliseconds. */
const JUMP_MS = 5_000;
/** Time between two looks, in milliseconds. */
const LOOK_EVERY_MS = 30_000;

/**
 * How far the wall clock jumped between two looks, in milliseconds, forwards
 * positive; 0 for ordinary drift. A suspend looks like a jump forwards, since
 * the monotonic clock stands still meanwhile.
 */
export function clockJump(before: Look, after: Look): number {
  const jump = (after.wall - before.wall) -
    (after.monotonic - before.monotonic);
  return Math.abs(jump) < JUMP_MS ? 0 : jump;
}

/** Looks at both clocks every 30 s, and tells of every jump, until aborted. */
export async function watchClock(
  clock: Clock,
  jumped: (jumpMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let look = lookAt(clock);
  for (;;) {
    await sleep(clock, LOOK_EVERY_MS, signal);
    const next = lookAt(clock);
    const jumpMs = clockJump(look, next);
    look = next;
    if (jumpMs !== 0) jumped(jumpMs);
  }
}

function lookAt(clock: Clock): Look {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}
