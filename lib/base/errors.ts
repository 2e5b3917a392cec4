/**
 * What can go wrong, by name. Callers branch on a code, never on a text.
 * `rpc/status.ts` maps each to the wire, to HTTP and to an exit code.
 */
export type ErrorCode =
  | "usage"
  | "internal"
  | "already-initialised"
  | "not-initialised"
  | "locked-directory"
  | "damaged-state"
  | "newer-store"
  | "locked"
  | "unlock-refused"
  | "disk"
  | "unreachable"
  | "timed-out"
  | "tls"
  | "clock-skew"
  | "token-malformed"
  | "token-version"
  | "token-refused"
  | "root-mismatch"
  | "manager-unproven"
  | "already-joined"
  | "key-in-use"
  | "cloned"
  | "csr-refused"
  | "answer-refused"
  | "anonymous"
  | "resumed"
  | "unverified-chain"
  | "foreign-cluster"
  | "unknown-node"
  | "removed"
  | "suspended"
  | "conflict"
  | "replaced"
  | "expired"
  | "not-yet-valid"
  | "newer-than-store"
  | "dropped-root"
  | "role"
  | "not-owner"
  | "rejected"
  | "unknown-method"
  | "bad-frame"
  | "bad-message"
  | "protocol-version"
  | "too-busy"
  | "issuer-ending"
  | "not-found"
  | "precondition"
  | "not-supported"
  | "session-ended"
  | "signer-unavailable"
  | "interrupted";

/** What the one who met the error should do: wait, join anew, or give up. */
export type Verdict = "retry" | "rejoin" | "stop";

/** What goes beside an error's code and text. */
export interface ErrorDetail {
  /** Default: `retry`. */
  readonly verdict?: Verdict;
  /** What to do next, in one sentence, for the person who reads it. */
  readonly hint?: string;
  /** Facts for programs. Never a secret. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** The error underneath. */
  readonly cause?: unknown;
}

/**
 * The one error class for conditions that callers are expected to handle.
 * Programmers' mistakes are the built-in classes instead.
 *
 * The text says what was attempted, then what was found and what was wanted:
 * upper case first, no final period.
 */
export class SwarmdError extends Error {
  override readonly name = "SwarmdError";
  readonly code: ErrorCode;
  readonly verdict: Verdict;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? {} : { cause: detail.cause });
    this.code = code;
    this.verdict = detail.verdict ?? "retry";
    this.hint = detail.hint;
    this.data = detail.data ?? {};
  }
}

/** Whether an unknown thrown value is a {@linkcode SwarmdError} of a code. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return error instanceof SwarmdError && codes.includes(error.code);
}

/** The text of any thrown value, with the texts of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause === undefined) return error.message;
  return `${error.message}: ${describeError(error.cause)}`;
}
