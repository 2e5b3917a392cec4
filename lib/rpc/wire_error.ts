import { type ErrorCode, SwarmdError, type Verdict } from "../base/errors.ts";
import type { Failure, FailureBody } from "./message.ts";

const SERVER_ERROR = -32000;
/** Every code of this version, with its number in JSON-RPC 2.0 §5.1. */
const NUMBERS: Readonly<Record<ErrorCode, number>> = {
  "usage": -32602,
  "internal": SERVER_ERROR,
  "already-initialised": SERVER_ERROR,
  "not-initialised": SERVER_ERROR,
  "locked-directory": SERVER_ERROR,
  "damaged-state": SERVER_ERROR,
  "newer-store": SERVER_ERROR,
  "locked": SERVER_ERROR,
  "unlock-refused": SERVER_ERROR,
  "disk": SERVER_ERROR,
  "unreachable": SERVER_ERROR,
  "timed-out": SERVER_ERROR,
  "tls": SERVER_ERROR,
  "clock-skew": SERVER_ERROR,
  "token-malformed": SERVER_ERROR,
  "token-version": SERVER_ERROR,
  "token-refused": SERVER_ERROR,
  "root-mismatch": SERVER_ERROR,
  "manager-unproven": SERVER_ERROR,
  "already-joined": SERVER_ERROR,
  "key-in-use": SERVER_ERROR,
  "cloned": SERVER_ERROR,
  "csr-refused": SERVER_ERROR,
  "answer-refused": SERVER_ERROR,
  "anonymous": SERVER_ERROR,
  "resumed": SERVER_ERROR,
  "unverified-chain": SERVER_ERROR,
  "foreign-cluster": SERVER_ERROR,
  "unknown-node": SERVER_ERROR,
  "removed": SERVER_ERROR,
  "suspended": SERVER_ERROR,
  "conflict": SERVER_ERROR,
  "replaced": SERVER_ERROR,
  "expired": SERVER_ERROR,
  "not-yet-valid": SERVER_ERROR,
  "newer-than-store": SERVER_ERROR,
  "dropped-root": SERVER_ERROR,
  "role": SERVER_ERROR,
  "not-owner": SERVER_ERROR,
  "rejected": SERVER_ERROR,
  "unknown-method": -32601,
  "bad-frame": -32600,
  "bad-message": -32700,
  "protocol-version": -32600,
  "too-busy": SERVER_ERROR,
  "issuer-ending": SERVER_ERROR,
  "not-found": SERVER_ERROR,
  "precondition": SERVER_ERROR,
  "not-supported": SERVER_ERROR,
  "session-ended": SERVER_ERROR,
  "signer-unavailable": SERVER_ERROR,
  "interrupted": SERVER_ERROR,
};

const INTERNAL = new SwarmdError(
  "internal",
  "Cannot answer: internal error, its details are in the log of the peer",
);

/** Longest text of an error, in UTF-16 units. */
const MAX_TEXT = 1024;
/** Longest facts of an error, as JSON, in UTF-16 units. */
const MAX_FACTS = 16 * 1024;
/** How deep facts may nest: far below what a message may. */
const MAX_FACTS_DEPTH = 4;

/**
 * Writes an error for the peer. Only what a {@linkcode SwarmdError} says on
 * purpose leaves the process: code, text, verdict, hint, and the data that JSON
 * can express. Everything else becomes `internal` with a text that says nothing.
 *
 * @param now wall clock of this side, in milliseconds
 */
export function errorToWire(error: unknown, now?: number): FailureBody {
  if (!(error instanceof SwarmdError)) return errorToWire(INTERNAL, now);
  const { code, verdict, hint, message, data } = forPeer(error);
  return {
    code: NUMBERS[code],
    message: message.slice(0, MAX_TEXT),
    data: {
      ...boundedFacts(data),
      code,
      verdict,
      ...(hint === undefined ? {} : { hint: hint.slice(0, MAX_TEXT) }),
      ...(now === undefined ? {} : { now }),
    },
  };
}

/**
 * What a peer is told of an error. A disk of this machine is not the peer's: it
 * would look for the fault, and a path, on its own.
 */
export function forPeer(error: SwarmdError): SwarmdError {
  if (error.code !== "disk") return error;
  return new SwarmdError(
    "too-busy",
    "Cannot serve the call now: the manager's own disk refuses to be written",
    { hint: "See `swarmd status` on the manager, and try again later" },
  );
}

/**
 * Reads an error of the peer. Never throws: what is missing or not known
 * becomes `internal` with the verdict `retry`, and the peer's own code stays
 * in `data.wireCode`. Texts lose their control characters, because they reach
 * logs and terminals.
 *
 * What it says is a claim; who may be obeyed is for the caller to know.
 */
export function errorFromWire(failure: Failure): SwarmdError {
  const { message, data = {} } = failure.error;
  const { code, verdict, hint, ...rest } = data;
  const facts = boundedFacts(rest);
  const text = printable(message);
  const advice = typeof hint === "string" ? { hint: printable(hint) } : {};
  if (!isErrorCode(code)) {
    const wireCode = typeof code === "string"
      ? printable(code)
      : failure.error.code;
    return new SwarmdError("internal", text, {
      ...advice,
      data: { ...facts, wireCode },
    });
  }
  return new SwarmdError(code, text, {
    ...advice,
    verdict: isVerdict(verdict) ? verdict : "retry",
    data: facts,
  });
}

function boundedFacts(
  data: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const facts = jsonSafe(data, MAX_FACTS_DEPTH);
  if (!isRecord(facts)) return {};
  return JSON.stringify(facts).length > MAX_FACTS ? {} : facts;
}

/** Copies what JSON carries unchanged; the rest is `undefined` and left out. */
function jsonSafe(value: unknown, depth: number): unknown {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "boolean" || Number.isFinite(value)) return value;
  if (depth === 0) return undefined;
  if (Array.isArray(value)) {
    return value.map((item) => jsonSafe(item, depth - 1) ?? null);
  }
  if (!isRecord(value)) return undefined;
  const members = Object.entries(value)
    .map(([key, member]) => [key, jsonSafe(member, depth - 1)] as const)
    .filter(([, member]) => member !== undefined);
  return Object.fromEntries(members);
}

/** Plain objects only: a key, an error or bytes are none. */
function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function printable(text: string): string {
  return text.slice(0, MAX_TEXT).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(NUMBERS, value);
}

function isVerdict(value: unknown): value is Verdict {
  return value === "retry" || value === "rejoin" || value === "stop";
}
