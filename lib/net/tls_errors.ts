import { SwarmdError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { UNKNOWN_AUTHORITY } from "../rpc/unknown_authority.ts";

/** ALPN name of the protocol between nodes and managers. */
export const NODE_ALPN = "swarmd/1";

/** What was attempted with a peer when it failed. */
export interface TlsAttempt {
  /** Such as `connect to`. */
  readonly what: string;
  readonly endpoint: Endpoint;
}

/**
 * What a failed connection becomes. The runtime tells most TLS failures apart
 * by text alone; a text that is not known here is `tls`, never a milder one.
 */
export function tlsError(attempt: TlsAttempt, cause: unknown): SwarmdError {
  if (cause instanceof SwarmdError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const { code, found, hint, data } = describe(cause, text);
  return new SwarmdError(
    code,
    `Cannot ${attempt.what} ${formatEndpoint(attempt.endpoint)}: ${found}`,
    { cause, ...(hint !== undefined && { hint }), ...(data && { data }) },
  );
}

interface Description {
  readonly code: ErrorCode;
  readonly found: string;
  readonly hint?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

function describe(cause: unknown, text: string): Description {
  const [, refused] = /^invalid peer certificate: (.+)$/.exec(text) ?? [];
  if (refused !== undefined) return describeRefused(refused);
  const [, alert] = /^received fatal alert: (\w+)$/.exec(text) ?? [];
  if (alert !== undefined) {
    return { code: "tls", found: `it refuses, with TLS alert ${alert}` };
  }
  const errno = errnoOf(cause);
  const system = SYSTEM[errno];
  if (system !== undefined) return { code: "unreachable", found: system };
  if (errno === "ETIMEDOUT") return { code: "timed-out", found: "no answer" };
  return KNOWN.find(({ when }) => when.test(text)) ??
    { code: "tls", found: text };
}

/**
 * rustls looks at dates before signatures: an expired certificate of another
 * authority is said to be expired, too.
 */
function describeRefused(reason: string): Description {
  const why = REFUSED.find(({ when }) => when.test(reason))?.why;
  const words = why === undefined ? reason : `${why} (${reason})`;
  const found = `its certificate is refused: ${words}`;
  if (DATES_REGEXP.test(reason)) {
    const hint = "Compare the clocks of both machines";
    return { code: "clock-skew", found, hint };
  }
  return AUTHORITY_REGEXP.test(reason)
    ? { code: "tls", found, data: UNKNOWN_AUTHORITY }
    : { code: "tls", found };
}

/** What rustls calls by its own names, which only its authors know. */
const REFUSED: readonly { readonly when: RegExp; readonly why: string }[] = [
  {
    when: /^UnknownIssuer\b/,
    why: "it is not under the root that is trusted here",
  },
  {
    when: /^BadSignature\b/,
    why: "the key of the root that is trusted here did not sign it",
  },
  {
    when: /^Other\(OtherError\(CaUsedAsEndEntity\)\)$/,
    why: "it is an authority's, wanted one that is no authority's",
  },
  {
    when: /^(?:NotValidForName|certificate not valid for name)\b/,
    why: "it is for other names, wanted the one that was asked for",
  },
  {
    when: /^(?:InvalidPurpose|certificate does not allow extended key usage)\b/,
    why: "it is for another purpose, wanted one for servers",
  },
  {
    when: /^(?:Expired|certificate expired)\b/,
    why: "it has ended by this machine's clock",
  },
  {
    when: /^(?:NotValidYet|certificate not valid yet)\b/,
    why: "it has not begun by this machine's clock",
  },
];

/** Signatures, where another root has the same name. */
const AUTHORITY_REGEXP = /^(?:UnknownIssuer|BadSignature)\b/;

const DATES_REGEXP =
  /^(?:Expired|NotValidYet|certificate expired|certificate not valid yet)\b/;

interface Known extends Description {
  readonly when: RegExp;
}

const NO_ADDRESS = "the host name has no address";

const KNOWN: readonly Known[] = [
  { when: /^failed to lookup address/, code: "unreachable", found: NO_ADDRESS },
  {
    when: /^invalid host /,
    code: "unreachable",
    found: "it is not a host name",
  },
  {
    when: /^(?:unexpected end of file|socket hang up|peer closed connection)/,
    code: "unreachable",
    found: "it closed the connection",
  },
  {
    when: /InvalidContentType|^received corrupt message/,
    code: "tls",
    found: "it does not speak TLS",
  },
];

const SYSTEM: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "it reset the connection",
  ECONNABORTED: "the connection was aborted",
  EPIPE: "it closed the connection",
  ENOTFOUND: NO_ADDRESS,
  EAI_AGAIN: "the host name cannot be looked up now",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  EADDRNOTAVAIL: "the address is not available",
  EINVAL: "the address cannot be dialled",
};

/** The system's name of an error, such as `ECONNREFUSED`. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
