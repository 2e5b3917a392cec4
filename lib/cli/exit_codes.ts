import type { ErrorCode } from "../base/errors.ts";

/** One way in which the program can end. */
export interface ExitCode {
  readonly number: number;
  readonly meaning: string;
}

/**
 * Every exit code, in order. Scripts depend on the numbers: they are never
 * reused, and stay below 126, where shells begin to have meanings of their own,
 * except for the customary 130.
 */
export const EXIT_CODES = {
  ok: { number: 0, meaning: "Done; a daemon: stopped in order when told to" },
  internal: { number: 1, meaning: "A mistake in swarmd itself" },
  usage: {
    number: 2,
    meaning: "The command line was not understood; nothing was done",
  },
  "not-initialised": {
    number: 3,
    meaning: "The state directory holds no identity or no cluster",
  },
  "already-initialised": {
    number: 4,
    meaning:
      "The state directory already holds a part of an identity or of a cluster; nothing was touched",
  },
  "locked-directory": {
    number: 5,
    meaning: "Another process uses the state directory",
  },
  "damaged-state": {
    number: 6,
    meaning: "The state directory holds something that cannot be read",
  },
  "newer-store": {
    number: 7,
    meaning: "A newer version of swarmd wrote the state; this one is too old",
  },
  disk: { number: 8, meaning: "The disk refused to read or to write" },
  unreachable: {
    number: 10,
    meaning: "Cannot reach the manager or the local daemon, or no answer came",
  },
  "token-refused": {
    number: 11,
    meaning: "The join token is malformed, of another version, or refused",
  },
  unverified: {
    number: 12,
    meaning:
      "The other side is not who it should be: wrong root, broken chain, or no proof of the token",
  },
  "clock-skew": {
    number: 13,
    meaning:
      "A certificate is expired or not yet valid, or the clocks of the two machines disagree",
  },
  removed: {
    number: 14,
    meaning: "The node was removed from the cluster, or is unknown to it",
  },
  suspended: { number: 15, meaning: "An operator has suspended the node" },
  conflict: {
    number: 16,
    meaning:
      "The identity is in use elsewhere: cloned, copied, or taken back from an old disk",
  },
  refused: {
    number: 17,
    meaning:
      "What was asked was refused: wrong role, not yours, or not in this state",
  },
  "not-found": { number: 18, meaning: "There is no such thing" },
  protocol: {
    number: 19,
    meaning: "The two sides do not speak the same protocol",
  },
  busy: { number: 20, meaning: "Not possible just now; try again later" },
  "rotation-aborted": {
    number: 21,
    meaning: "The rotation of the root was turned back; the old root stays",
  },
  locked: {
    number: 22,
    meaning:
      "The manager is locked, or the unlock key is not the one that is wanted",
  },
  "audit-broken": {
    number: 24,
    meaning: "The audit log is not what was written, or what was signed",
  },
  "drill-not-clean": {
    number: 30,
    meaning: "The drill ran, and its numbers are not clean",
  },
  interrupted: {
    number: 130,
    meaning: "Interrupted before the work was done (Ctrl-C)",
  },
} as const satisfies Readonly<Record<string, ExitCode>>;

/** The name of an exit code. */
export type ExitName = keyof typeof EXIT_CODES;

/** How the program ends on an error that nobody handled. */
export const EXIT_OF: Readonly<Record<ErrorCode, ExitName>> = {
  "usage": "usage",
  "internal": "internal",
  "already-initialised": "already-initialised",
  "not-initialised": "not-initialised",
  "locked-directory": "locked-directory",
  "damaged-state": "damaged-state",
  "newer-store": "newer-store",
  "locked": "locked",
  "unlock-refused": "locked",
  "disk": "disk",
  "unreachable": "unreachable",
  "timed-out": "unreachable",
  "tls": "unverified",
  "clock-skew": "clock-skew",
  "token-malformed": "token-refused",
  "token-version": "token-refused",
  "token-refused": "token-refused",
  "root-mismatch": "unverified",
  "manager-unproven": "unverified",
  "already-joined": "conflict",
  "key-in-use": "conflict",
  "cloned": "conflict",
  "csr-refused": "refused",
  "answer-refused": "unverified",
  "anonymous": "refused",
  "resumed": "refused",
  "unverified-chain": "unverified",
  "foreign-cluster": "unverified",
  "unknown-node": "removed",
  "removed": "removed",
  "suspended": "suspended",
  "conflict": "conflict",
  "replaced": "conflict",
  "expired": "clock-skew",
  "not-yet-valid": "clock-skew",
  "newer-than-store": "refused",
  "dropped-root": "refused",
  "role": "refused",
  "not-owner": "refused",
  "rejected": "refused",
  "unknown-method": "protocol",
  "bad-frame": "protocol",
  "bad-message": "protocol",
  "protocol-version": "protocol",
  "too-busy": "busy",
  "issuer-ending": "busy",
  "not-found": "not-found",
  "precondition": "refused",
  "not-supported": "refused",
  "session-ended": "busy",
  "signer-unavailable": "busy",
  "interrupted": "interrupted",
};

/** The number of an exit code. */
export function exitNumber(name: ExitName): number {
  return EXIT_CODES[name].number;
}
