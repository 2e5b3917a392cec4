import { formatDuration, formatTime } from "../base/time.ts";
import type { CertificateSummary } from "../cluster/local_nodes.ts";

/** A fact for `formatFacts`. */
export type Fact = readonly [name: string, value: string];

/** A moment as seen from now: `in 3d2h`, `5m12s ago`, `now`. */
export function relativeTime(iso: string, now: number): string {
  const away = Date.parse(iso) - now;
  if (Number.isNaN(away)) return iso;
  if (Math.abs(away) < 1_000) return "now";
  return away > 0
    ? `in ${formatDuration(away)}`
    : `${formatDuration(-away)} ago`;
}

/** Both forms of a moment, the absolute one to the second. */
export function moment(iso: string, now: number): string {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? iso : momentOf(at, now);
}

/** Both forms of a moment in milliseconds. */
export function momentOf(wallMs: number, now: number): string {
  const iso = formatTime(wallMs);
  return `${iso} (${relativeTime(iso, now)})`;
}

/** How far a clock is ahead of the manager's. */
export function describeSkew(skewMs: number | undefined): string {
  if (skewMs === undefined) return "not compared yet";
  const away = formatDuration(Math.abs(skewMs));
  const side = skewMs < 0 ? "behind" : "ahead of";
  return `${away} ${side} the manager's`;
}

/** A certificate, in short. */
export function certificateFacts(
  certificate: CertificateSummary,
  now: number,
): Fact[] {
  return [
    ["serial", certificate.serial],
    ["issuer", certificate.issuer],
    ["not before", moment(certificate.notBefore, now)],
    ["not after", moment(certificate.notAfter, now)],
    ["fingerprint", certificate.fingerprint256],
  ];
}
