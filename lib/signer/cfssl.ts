import type { Bytes } from "../base/bytes.ts";
import { equalBytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, SECOND } from "../base/time.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { LeafProfile } from "../pki/profile.ts";
import { answerProblems } from "./answer_check.ts";
import {
  authenticated,
  type CfsslAnswer,
  infoRequest,
  readCfsslAnswer,
  signRequest,
  told,
} from "./cfssl_api.ts";

/** For one request to an authority, in milliseconds. */
export const REQUEST_MS = 10 * SECOND;
/** Largest answer that is read, in bytes; a usual one has 1,000. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Differences of one answer that are told, and characters of each. */
const MAX_DIFFERENCES = 5;
const MAX_DIFFERENCE = 400;

/** How an external authority is reached, with everything read from files. */
export interface CfsslAuthority {
  /** Of `parseExternalCa`; such as `https://ca.example:8888/api/v1/cfssl`. */
  readonly url: string;
  /** Its signing profile; left out: its default. */
  readonly profile?: string;
  /** Authenticates requests, as a profile with `auth_key` demands. */
  readonly authKey?: Bytes;
  readonly credentials: CaCredentials;
}

/** What is shown to, and wanted of, the authority's HTTPS server. */
export interface CaCredentials {
  /** PEM; the only roots that are trusted. Empty for HTTP. */
  readonly rootsPem: string;
  readonly identity?: { readonly chainPem: string; readonly keyPem: string };
}

/**
 * Posts JSON and reads the whole answer, of any status.
 *
 * @throws {SwarmdError} when there is none within time and size; the text says
 * of whom and why, and holds no secret
 */
export type Post = (request: {
  readonly url: URL;
  readonly body: Bytes;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly credentials: CaCredentials;
}) => Promise<{ readonly status: number; readonly body: Bytes }>;

/** What talking to an authority takes. */
export interface CfsslParts {
  readonly authority: CfsslAuthority;
  /** The certificate whose key the authority holds. */
  readonly issuer: Certificate;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly post: Post;
  /** For one request, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number;
}

/** A good leaf, DER, or why there is none. */
export type SignOutcome = { readonly leaf: Bytes } | SignFault;

/** Why an authority did not sign: printable, and of bounded length. */
export interface SignFault {
  readonly fault: string;
  /** Whether the authority says that it is the request which is wrong. */
  readonly refusesCsr?: boolean;
  /** Whether the same request again is in vain. */
  readonly isPermanent?: boolean;
}

/** Asks one cfssl server. */
export class CfsslClient {
  readonly #parts: CfsslParts;

  constructor(parts: CfsslParts) {
    this.#parts = parts;
  }

  get url(): string {
    return this.#parts.authority.url;
  }

  /** Has a leaf signed, and checks it. */
  async sign(profile: LeafProfile, csr: Bytes): Promise<SignOutcome> {
    const answer = await this.#asked(() => this.#sign(profile, csr));
    if ("fault" in answer) return answer;
    if ("problem" in answer) {
      const { problem, ...what } = answer;
      return { fault: told(`it answers ${problem}`), ...what };
    }
    const { issuer, crypto, clock } = this.#parts;
    const { certificate } = answer;
    const expected = { profile, issuer, crypto, now: clock.now() };
    const problems = await answerProblems(certificate, expected);
    if (problems.length === 0) return { leaf: certificate.der };
    const texts = problems.slice(0, MAX_DIFFERENCES)
      .map((each) => told(each, MAX_DIFFERENCE));
    const fault = `it signed something else: ${texts.join("; ")}`;
    return { fault, isPermanent: true };
  }

  /** Asks for the authority's own certificate; why it is of no use, or nothing. */
  async probe(): Promise<string | undefined> {
    const { authority: { profile }, issuer } = this.#parts;
    const answer = await this.#asked(() =>
      this.#post("info", infoRequest(profile))
    );
    if ("fault" in answer) return answer.fault;
    if ("problem" in answer) return told(`it answers ${answer.problem}`);
    if (equalBytes(answer.certificate.spki, issuer.spki)) return undefined;
    return "it signs with the key of another authority";
  }

  async #sign(profile: LeafProfile, csr: Bytes): Promise<CfsslAnswer> {
    const { authority, crypto } = this.#parts;
    const { profile: signingProfile, authKey: key } = authority;
    const request = signRequest({
      profile,
      csr,
      ...(signingProfile === undefined ? {} : { signingProfile }),
    });
    return key === undefined
      ? await this.#post("sign", request)
      : await this.#post(
        "authsign",
        await authenticated(crypto, { request, key }),
      );
  }

  async #post(method: string, body: Bytes): Promise<CfsslAnswer> {
    const { authority, crypto, post, timeoutMs = REQUEST_MS } = this.#parts;
    const answer = await post({
      url: new URL(`${authority.url}/${method}`),
      body,
      timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
      credentials: authority.credentials,
    });
    return await readCfsslAnswer(crypto, answer);
  }

  async #asked(
    ask: () => Promise<CfsslAnswer>,
  ): Promise<CfsslAnswer | { readonly fault: string }> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof SwarmdError)) throw error;
      return { fault: told(error.message) };
    }
  }
}

/**
 * Asks an authority for its own certificate. It is as good as the connection:
 * its HTTPS server was verified, or is on this machine.
 *
 * @throws {SwarmdError} `signer-unavailable` when it does not tell
 */
export async function askIssuer(
  { authority, crypto, post, timeoutMs = REQUEST_MS }: Omit<
    CfsslParts,
    "issuer" | "clock"
  >,
): Promise<Certificate> {
  const answer = await post({
    url: new URL(`${authority.url}/info`),
    body: infoRequest(authority.profile),
    timeoutMs,
    maxBytes: MAX_ANSWER_BYTES,
    credentials: authority.credentials,
  });
  const read = await readCfsslAnswer(crypto, answer);
  if ("certificate" in read) return read.certificate;
  throw new SwarmdError(
    "signer-unavailable",
    `Cannot learn the certificate of ${authority.url}: it answers ${
      told(read.problem)
    }`,
    { data: { isPermanent: read.isPermanent } },
  );
}
