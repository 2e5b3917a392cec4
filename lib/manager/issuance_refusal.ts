import { hasCode, SwarmdError, type Verdict } from "../base/errors.ts";
import type {
  IssuanceDecision,
  JoinDecision,
  Refusal,
} from "../cluster/issuance.ts";

/** For a caller with a certificate that is not its newest. */
export const REPLACED: IssuanceDecision = {
  kind: "refuse",
  code: "replaced",
  why: "the caller's certificate was replaced",
};

/** Of refusals that another try, or another join, can change. */
const VERDICTS: Readonly<Partial<Record<Refusal, Verdict>>> = {
  "unknown-node": "rejoin",
  "removed": "rejoin",
  "too-busy": "retry",
  "issuer-ending": "retry",
  "replaced": "retry",
  "suspended": "retry",
  "conflict": "retry",
};

const HINTS: Readonly<Partial<Record<Refusal, string>>> = {
  "token-refused":
    "Get another with `swarmd token create` or `swarmd token show`",
  "removed": "Let the machine join again, with a token: `swarmd worker join`",
  "rejected": "Ask the operator; another try begins with a new key",
};

/** The error for a request that nothing is issued for. */
export function refusal(
  decision: {
    readonly code: Refusal;
    readonly why: string;
    readonly waitMs?: number;
  },
): SwarmdError {
  const verdict = VERDICTS[decision.code] ?? "stop";
  const hint = HINTS[decision.code];
  const { waitMs } = decision;
  return new SwarmdError(
    decision.code,
    `Cannot issue a certificate: ${decision.why}`,
    {
      verdict,
      ...(hint !== undefined && { hint }),
      ...(waitMs !== undefined && { data: { waitMs } }),
    },
  );
}

/**
 * What a peer is told when its certificate could not be signed. Texts of an
 * authority elsewhere are for the operator: they are in the log, and in status.
 */
export function notSigned(cause: unknown): unknown {
  if (hasCode(cause, "csr-refused")) {
    return new SwarmdError(
      "csr-refused",
      "Cannot issue a certificate: the authority refuses the request",
      { verdict: "stop", cause },
    );
  }
  if (!hasCode(cause, "signer-unavailable")) return cause;
  return new SwarmdError(
    "signer-unavailable",
    "Cannot issue a certificate: the authority does not sign now",
    { cause },
  );
}

/** Approval was switched on while a certificate was signed. */
export function mustNotWait(decision: JoinDecision): IssuanceDecision {
  if (decision.kind !== "wait") return decision;
  const why = "joiners wait for approval from now on";
  return { kind: "refuse", code: "too-busy", why };
}
