import type { Random } from "../base/random.ts";

/** A certificate's life as renewal sees it: from ISSUE, not from the backdated notBefore. */
export interface Life {
  /** When it was issued, in milliseconds on the clock that waits. */
  readonly issuedAt: number;
  readonly notAfter: number;
}

const WINDOW_START = 0.5;
const WINDOW_END = 0.8;

/**
 * When to renew: uniformly random in 50–80 % of the life, drawn once per
 * certificate. Measured from issue because the hour of backdating would put
 * the whole window of a one-hour certificate behind it.
 */
export function drawRenewal(life: Life, random: Random): number {
  const span = life.notAfter - life.issuedAt;
  const part = WINDOW_START + (WINDOW_END - WINDOW_START) * random.uniform();
  return life.issuedAt + span * part;
}

/**
 * The latest moment that {@linkcode drawRenewal} gives for a certificate.
 * What is remembered of its renewal may be of another one: the disk keeps the
 * memory of an identity that was rolled back.
 */
export function latestRenewal(life: Life): number {
  return life.issuedAt + (life.notAfter - life.issuedAt) * WINDOW_END;
}

/**
 * Bound of the pause between failed renewals: 1 s to 1 h, never more than a
 * twentieth of the life that is left.
 */
export function renewalBackoffBound(life: Life, now: number): number {
  const left = Math.max(0, life.notAfter - now);
  return Math.max(1_000, Math.min(3_600_000, left / 20));
}

/** Part of an authority's life in which its end is an alarm. */
const ALARM_PART = 0.1;

/**
 * Whether an authority's end is near: it is in the last tenth of its life, or
 * gives leaves less than half of the life that is asked for.
 */
export function isEnding(
  issuer: { readonly notBefore: number; readonly notAfter: number },
  { now, leafLifeMs }: { readonly now: number; readonly leafLifeMs: number },
): boolean {
  const left = issuer.notAfter - now;
  const life = issuer.notAfter - issuer.notBefore;
  return left < Math.max(life * ALARM_PART, leafLifeMs / 2);
}

/**
 * Shortest pause between two successful renewals. Whatever an authority
 * answers, a node does not renew in a tight loop.
 */
export function renewalFloor(life: Life): number {
  return Math.max(
    1_000,
    Math.min(60_000, (life.notAfter - life.issuedAt) / 20),
  );
}
