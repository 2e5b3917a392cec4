import { SwarmdError, type Verdict } from "../base/errors.ts";
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
  "too-busy": "retry",
  "issuer-ending": "retry",
  "replaced": "retry",
  "suspended": "retry",
  "conflict": "retry",
};

const HINTS: Readonly<Partial<Record<Refusal, string>>> = {
  "token-refused":
    "Get another with `swarmd token create` or `swarmd token show`",
  "rejected": "Ask the operator; another try begins with a new key",
};

/** The error for a request that nothing is issued for. */
export function refusal(
  decision: { readonly code: Refusal; readonly why: string },
): SwarmdError {
  const verdict = VERDICTS[decision.code] ?? "stop";
  const hint = HINTS[decision.code];
  return new SwarmdError(
    decision.code,
    `Cannot issue a certificate: ${decision.why}`,
    { verdict, ...(hint !== undefined && { hint }) },
  );
}

/** Approval was switched on while a certificate was signed. */
export function mustNotWait(decision: JoinDecision): IssuanceDecision {
  if (decision.kind !== "wait") return decision;
  const why = "joiners wait for approval from now on";
  return { kind: "refuse", code: "too-busy", why };
}
