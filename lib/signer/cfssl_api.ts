import { type Bytes, fromUtf8, toBase64, utf8 } from "../base/bytes.ts";
import { type Certificate, readCertificates } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import { encodePem } from "../pki/pem.ts";
import { dnsNamesOf, type LeafProfile, ouOf } from "../pki/profile.ts";

/** cfssl's errors about the request itself: category 9 of four digits. */
const CSR_ERRORS = { from: 9_000, to: 9_999 };
/** Of a text of an authority that is told, in characters. */
const MAX_TOLD = 200;
/** What can move a terminal's cursor, or hide what stands beside it. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** What an authority said: a certificate, or why not. */
export type CfsslAnswer =
  | { readonly certificate: Certificate }
  | CfsslProblem;

/** Why an authority gave no certificate. */
export interface CfsslProblem {
  readonly problem: string;
  /** Whether it says that it is the certificate request which is wrong. */
  readonly refusesCsr: boolean;
  /** Whether it is how it is asked that is wrong: the same again is in vain. */
  readonly isPermanent: boolean;
}

/** What is asked for a leaf of a profile. */
export interface SignOrder {
  readonly profile: LeafProfile;
  /** DER. */
  readonly csr: Bytes;
  /** The authority's signing profile. */
  readonly signingProfile?: string;
}

/**
 * The body of `sign`, and the inner request of `authsign`. Subject and host
 * names are ours, whatever the certificate request says; the URI is left out,
 * since cfssl 1.2 would make a DNS name of it.
 */
export function signRequest(order: SignOrder): Bytes {
  const { profile, csr, signingProfile } = order;
  return json({
    certificate_request: encodePem("CERTIFICATE REQUEST", csr),
    profile: signingProfile ?? "",
    hosts: [...dnsNamesOf(profile), ...profile.ipAddresses],
    subject: {
      CN: profile.nodeId,
      names: [{ O: profile.clusterId, OU: ouOf(profile.role) }],
    },
  });
}

/** The body of `authsign`: a request, and its HMAC-SHA256 under the key. */
export async function authenticated(
  crypto: Crypto,
  { request, key }: { readonly request: Bytes; readonly key: Bytes },
): Promise<Bytes> {
  return json({
    token: toBase64(await crypto.hmacSha256(key, request)),
    request: toBase64(request),
  });
}

/** The body of `info`. */
export function infoRequest(signingProfile?: string): Bytes {
  return json({ label: "", profile: signingProfile ?? "" });
}

/** Reads what `sign`, `authsign` and `info` answer, all in one form. */
export async function readCfsslAnswer(
  crypto: Crypto,
  { status, body }: { readonly status: number; readonly body: Bytes },
): Promise<CfsslAnswer> {
  const answer = parse(body);
  if (!answer) {
    return problem(`HTTP status ${status} without an answer of cfssl`, {
      isPermanent: isOurs(status),
    });
  }
  if (status !== 200 || answer.success !== true) return failure(status, answer);
  const pem = recordOf(answer.result).certificate;
  if (typeof pem !== "string") return problem("an answer without certificate");
  // cfssl ends its PEM with as many line ends as it likes
  const [certificate, second] = await readCertificates(crypto, pem);
  if (!certificate || second) return problem("not one certificate");
  return { certificate };
}

/**
 * A text that another machine had a part in, for logs and terminals: printable
 * and of at most so many characters.
 */
export function told(text: string, most = MAX_TOLD): string {
  const part = text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  return part.replace(UNPRINTABLE, "?");
}

function failure(status: number, answer: Json): CfsslAnswer {
  const [first] = Array.isArray(answer.errors) ? answer.errors : [];
  const { code, message } = recordOf(first);
  const number = typeof code === "number" ? code : 0;
  const said = typeof message === "string" ? message : "";
  // Quoted, since it is the authority's text, and goes to logs
  return problem(
    `HTTP status ${status}, error ${number}, ${JSON.stringify(told(said))}`,
    {
      refusesCsr: number >= CSR_ERRORS.from && number <= CSR_ERRORS.to,
      isPermanent: isOurs(status),
    },
  );
}

/** 4xx but "request timeout" and "too many requests" (RFC 9110 §15.5). */
function isOurs(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function problem(
  text: string,
  what: Partial<CfsslProblem> = {},
): CfsslProblem {
  return { refusesCsr: false, isPermanent: false, ...what, problem: text };
}

type Json = Readonly<Record<string, unknown>>;

function parse(body: Bytes): Json | undefined {
  try {
    const found: unknown = JSON.parse(fromUtf8(body));
    return typeof found === "object" && found !== null
      ? { ...found }
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) {
      return undefined;
    }
    throw error;
  }
}

function recordOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function json(value: unknown): Bytes {
  return utf8(JSON.stringify(value));
}
