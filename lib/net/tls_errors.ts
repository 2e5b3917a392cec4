import { SwarmdError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { Endpoint } from "../rpc/connection.ts";

/** ALPN name of the protocol between nodes and managers. */
export const NODE_ALPN = "swarmd/1";

/** A host and port as people write them. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

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
  const { code, found, hint } = describe(cause, text);
  return new SwarmdError(
    code,
    `Cannot ${attempt.what} ${formatEndpoint(attempt.endpoint)}: ${found}`,
    { cause, ...(hint === undefined ? {} : { hint }) },
  );
}

interface Description {
  readonly code: ErrorCode;
  readonly found: string;
  readonly hint?: string;
}

function describe(cause: unknown, text: string): Description {
  const known = KNOWN.find(({ when }) => when.test(text));
  if (known) return { ...known, found: known.found ?? text };
  const errno = errnoOf(cause);
  const system = SYSTEM[errno];
  if (system !== undefined) return { code: "unreachable", found: system };
  if (errno === "ETIMEDOUT") return { code: "timed-out", found: "no answer" };
  const [, refused] = /^invalid peer certificate: (.+)$/.exec(text) ?? [];
  if (refused !== undefined) {
    return { code: "tls", found: `its certificate is refused: ${refused}` };
  }
  const [, alert] = /^received fatal alert: (\w+)$/.exec(text) ?? [];
  if (alert !== undefined) {
    return { code: "tls", found: `it refuses, with TLS alert ${alert}` };
  }
  return { code: "tls", found: text };
}

interface Known {
  readonly when: RegExp;
  readonly code: ErrorCode;
  readonly found?: string;
  readonly hint?: string;
}

const CLOCK_HINT = "Compare the clocks of both machines";

const KNOWN: readonly Known[] = [
  {
    // rustls looks at dates before signatures: another authority's expired
    // certificate is found here too.
    when: /^invalid peer certificate: (?:Expired|certificate expired)/,
    code: "clock-skew",
    hint: CLOCK_HINT,
  },
  {
    when:
      /^invalid peer certificate: (?:NotValidYet|certificate not valid yet)/,
    code: "clock-skew",
    hint: CLOCK_HINT,
  },
  {
    when: /^failed to lookup address|getaddrinfo|^No (?:addresses|address) /i,
    code: "unreachable",
    found: "the host name has no address",
  },
  {
    when: /^invalid host /,
    code: "unreachable",
  },
  {
    when:
      /unexpected eof|unexpected end of file|close_notify|socket hang up|disconnected before/i,
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
  ENOTFOUND: "the host name has no address",
  EAI_AGAIN: "the host name cannot be looked up now",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  EADDRNOTAVAIL: "the address is not available",
  EINVAL: "the address is not one that can be dialled",
};

/** The system's name of an error, such as `ECONNREFUSED`. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
