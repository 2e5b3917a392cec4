import type { ErrorCode } from "../base/errors.ts";
import type { SwarmdError } from "../base/errors.ts";
import type { ErrorBody } from "../cluster/local_api.ts";

/** HTTP statuses (RFC 9110 §15) of the codes that are not 500. */
const HTTP_STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  "usage": 400,
  "bad-message": 400,
  "csr-refused": 400,
  "token-refused": 403,
  "anonymous": 401,
  "unverified-chain": 403,
  "foreign-cluster": 403,
  "unknown-node": 403,
  "removed": 403,
  "suspended": 403,
  "conflict": 409,
  "replaced": 403,
  "expired": 403,
  "not-yet-valid": 403,
  "newer-than-store": 403,
  "dropped-root": 403,
  "resumed": 403,
  "role": 403,
  "not-owner": 403,
  "rejected": 403,
  "not-found": 404,
  "unknown-method": 404,
  "too-busy": 429,
  "precondition": 412,
  "issuer-ending": 503,
  "not-supported": 501,
  "signer-unavailable": 503,
  "not-initialised": 503,
  "locked": 503,
  "unlock-refused": 403,
};

/** The HTTP status that an error is answered with. */
export function httpStatus(code: ErrorCode): number {
  return HTTP_STATUS[code] ?? 500;
}

/** The body that an error is answered with. */
export function errorBody(error: SwarmdError): ErrorBody {
  const { code, message, hint, verdict, data } = error;
  const known = { code, message, verdict, data };
  return { error: hint === undefined ? known : { ...known, hint } };
}
