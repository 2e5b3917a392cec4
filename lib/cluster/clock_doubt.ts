import { DAY, HOUR, MINUTE } from "../base/time.ts";

/**
 * How far a wall clock may be from where it is expected, in milliseconds: a
 * certificate is valid from an hour before its issue, so that nobody is harmed.
 */
const NEAR_MS = HOUR;
/** Machines that are off or asleep for so long are usual, in milliseconds. */
const OFF_MS = 30 * DAY;
/** How long others have to be heard of, in milliseconds. */
const HEARD_MS = MINUTE;
/** After this much doubt that nobody could end, in milliseconds, it ends. */
const DOUBT_MS = DAY;
/** How far two clocks that agree are apart at most, in milliseconds. */
const AGREE_MS = 5 * MINUTE;

/** What there is to say of a manager's own clock. */
export interface ClockFacts {
  /** Wall clock minus where it is expected, in milliseconds. */
  readonly aheadMs: number;
  /** For how long it has been in doubt, in milliseconds. */
  readonly doubtMs: number;
  /** How many other nodes there are, connected or not. */
  readonly nodes: number;
  /** Of each connected node: its clock minus the expected time. */
  readonly skewsMs: readonly number[];
}

/**
 * What a clock is worth. `doubtful`: nobody could say yet; `contradicted`: most
 * nodes that are connected have another time.
 */
export type ClockVerdict = "trusted" | "doubtful" | "contradicted";

/** Whether a wall clock is where it is expected, which needs no witness. */
export function isNear(aheadMs: number): boolean {
  return Math.abs(aheadMs) <= NEAR_MS;
}

/**
 * Judges the clock of a manager. Where it moved is no proof: a clock that was
 * set right looks like one that was set wrong, and a machine that slept like
 * one that was moved ahead. Connected nodes are witnesses, the majority
 * counts; where none comes a forward move as of a machine that was off is
 * taken after a minute, all else after a day. A cluster with nobody on site
 * comes back by itself; only while nodes contradict does an operator have to.
 */
export function judgeClock(
  { aheadMs, doubtMs, nodes, skewsMs }: ClockFacts,
): ClockVerdict {
  if (isNear(aheadMs) || nodes === 0) return "trusted";
  const agree =
    skewsMs.filter((skew) => Math.abs(skew - aheadMs) <= AGREE_MS).length;
  if (agree > skewsMs.length / 2) return "trusted";
  if (agree < skewsMs.length / 2) return "contradicted";
  const isUsual = aheadMs > 0 && aheadMs <= OFF_MS && skewsMs.length === 0;
  return doubtMs >= (isUsual ? HEARD_MS : DOUBT_MS) ? "trusted" : "doubtful";
}
