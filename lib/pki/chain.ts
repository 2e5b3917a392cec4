import { equalBytes } from "../base/bytes.ts";
import { formatTime } from "../base/time.ts";
import { caProblem } from "./ca.ts";
import type { Certificate } from "./certificate.ts";
import type { Crypto } from "./crypto.ts";
import { formatName } from "./names.ts";

/** Certificates that are looked at: what TLS delivers is 2 to 5. */
const MAX_PRESENTED = 16;
/** Links from a leaf to an anchor. */
const MAX_STEPS = 6;
/** Each costs 0.7 ms of a core, and a peer decides how many are worth trying. */
const MAX_SIGNATURE_CHECKS = 8;
/** Authorities that are looked at, by name, while paths are put together. */
const MAX_VISITED = 256;

/** Closer to success than any depth: only dates are wrong. */
const PROVEN = Infinity;

/** Why a chain is refused. */
export type ChainReason =
  | "empty"
  | "too-long"
  | "version"
  | "is-ca"
  | "usage"
  | "unknown-critical"
  | "not-a-ca"
  | "path-length"
  | "bad-signature"
  | "untrusted"
  | "not-yet-valid"
  | "expired"
  | "issuer-not-yet-valid"
  | "issuer-expired";

/** A chain to judge. */
export interface ChainRequest {
  /** What the peer sent: the leaf, then others in any order. */
  readonly presented: readonly Certificate[];
  /** Where a path may end. */
  readonly anchors: readonly Certificate[];
  /** The verifier's own, to complete paths with. */
  readonly intermediates?: readonly Certificate[];
  /** What the leaf is used for. */
  readonly usage: "clientAuth" | "serverAuth";
  /** The moment it is judged for, in milliseconds since 1970. */
  readonly at: number;
}

/** A refusal. */
export interface ChainRefusal {
  readonly ok: false;
  readonly reason: ChainReason;
  /** One sentence for people, with names and moments. */
  readonly detail: string;
  /** Every link and the anchor hold; only the dates are wrong. */
  readonly provenIssuer: boolean;
}

/** What {@linkcode verifyChain} says. */
export type ChainVerdict =
  | {
    readonly ok: true;
    /** Leaf first, anchor last. */
    readonly path: readonly Certificate[];
    /** When it ceases to hold: the earliest end in the path. */
    readonly validUntil: number;
  }
  | ChainRefusal;

/**
 * Looks for a path from a leaf to an anchor (RFC 5280 §6, without policies and
 * name constraints: who carries those is refused). The order of what was
 * presented means nothing. Dates are judged last: `expired` and its kind are
 * said only of a chain that holds otherwise.
 */
export function verifyChain(
  crypto: Crypto,
  request: ChainRequest,
): Promise<ChainVerdict> {
  const { presented, usage } = request;
  const [leaf] = presented;
  if (!leaf) return refused("empty", "No certificate was presented");
  if (presented.length > MAX_PRESENTED) {
    return refused(
      "too-long",
      `${presented.length} certificates were presented, want at most ${MAX_PRESENTED}`,
    );
  }
  const problem = leafProblem(leaf, usage);
  if (problem) return refused(problem.reason, said(leaf, problem.detail));
  return new PathSearch(crypto, request).run(leaf);
}

interface Problem {
  readonly reason: ChainReason;
  readonly detail: string;
}

function leafProblem(
  leaf: Certificate,
  usage: ChainRequest["usage"],
): Problem | undefined {
  const { version, isCa, keyUsage, extendedKeyUsage, unknownCritical } = leaf;
  if (version !== 3) {
    // This runtime ends a handshake with a version 1 client certificate
    // without proof that the peer holds its key.
    return { reason: "version", detail: `is of version ${version}, want 3` };
  }
  if (isCa) {
    return { reason: "is-ca", detail: "is an authority's, want a node's" };
  }
  if (unknownCritical.length > 0) {
    return {
      reason: "unknown-critical",
      detail: `has unknown constraints: ${unknownCritical.join(", ")}`,
    };
  }
  // In its own words: neither a missing list nor anyExtendedKeyUsage will do
  if (!extendedKeyUsage?.includes(usage)) {
    return { reason: "usage", detail: `is not made for ${usage}` };
  }
  if (keyUsage && !keyUsage.has("digitalSignature")) {
    return { reason: "usage", detail: "may not sign handshakes" };
  }
  return undefined;
}

/**
 * One search: paths are put together by names alone, then their signatures are
 * checked from the anchor downwards. So whoever presents authorities of his own
 * making has each of them checked once, with OUR key and its cost: downwards is
 * what keeps a ring of cross-signed P-384 authorities from costing a manager
 * 55 ms for every connection of a stranger.
 */
class PathSearch {
  readonly #crypto: Crypto;
  readonly #request: ChainRequest;
  readonly #anchors: ReadonlySet<string>;
  readonly #pool: readonly Certificate[];
  readonly #links = new Map<string, boolean>();
  #visited = 0;
  #failure: ChainRefusal | undefined;
  #depth = 0;

  constructor(crypto: Crypto, request: ChainRequest) {
    const { presented, anchors, intermediates = [] } = request;
    this.#crypto = crypto;
    this.#request = request;
    this.#anchors = new Set(anchors.map((anchor) => anchor.fingerprint));
    // Anchors first: the shortest path is tried before longer ones.
    this.#pool = distinct([
      ...anchors,
      ...presented.slice(1),
      ...intermediates,
    ]);
  }

  async run(leaf: Certificate): Promise<ChainVerdict> {
    for (const path of this.#paths([leaf])) {
      if (!(await this.#holds(path)) || !this.#inDate(path)) continue;
      const validUntil = Math.min(...path.map((each) => each.notAfter));
      return { ok: true, path, validUntil };
    }
    return this.#failure ?? refusal(
      "untrusted",
      said(
        leaf,
        `was issued by "${formatName(leaf.issuer)}"${
          keyIdNote(leaf)
        }, which is none of the ${this.#request.anchors.length} trusted roots`,
      ),
    );
  }

  /** Every path that begins like this and reaches an anchor, by names alone. */
  *#paths(
    path: readonly Certificate[],
  ): Generator<readonly Certificate[]> {
    const child = path.at(-1);
    if (!child) return;
    for (const issuer of this.#pool) {
      if (!mayHaveIssued(issuer, child) || includes(path, issuer)) continue;
      if (++this.#visited > MAX_VISITED) return;
      const longer = [...path, issuer];
      const problem = issuerProblem(longer, this.#request.usage);
      if (problem) this.#fail(problem, { about: issuer, depth: longer.length });
      else if (this.#anchors.has(issuer.fingerprint)) yield longer;
      else yield* this.#paths(longer);
    }
  }

  /** Whether all links of a path hold, dates aside; the anchor's first. */
  async #holds(path: readonly Certificate[]): Promise<boolean> {
    for (let i = path.length - 2; i >= 0; i--) {
      const [child, issuer] = path.slice(i, i + 2);
      if (!child || !issuer) return false;
      const verified = await this.#verifies(child, issuer);
      if (verified) continue;
      const failed: Problem = verified === undefined
        ? { reason: "too-long", detail: "needs too many signature checks" }
        : {
          reason: "bad-signature",
          detail: `is not signed by the key of "${formatName(issuer.subject)}"`,
        };
      return this.#fail(failed, { about: child, depth: i + 2 });
    }
    return true;
  }

  /** `undefined` when the budget is spent. */
  async #verifies(
    child: Certificate,
    issuer: Certificate,
  ): Promise<boolean | undefined> {
    const link = `${child.fingerprint} ${issuer.fingerprint}`;
    const known = this.#links.get(link);
    if (known !== undefined) return known;
    if (this.#links.size === MAX_SIGNATURE_CHECKS) return undefined;
    const verified = await this.#crypto.verify({
      spki: issuer.spki,
      algorithm: child.signatureAlgorithm,
      data: child.tbs,
      signature: child.signature,
    });
    this.#links.set(link, verified);
    return verified;
  }

  #inDate(path: readonly Certificate[]): boolean {
    const { at } = this.#request;
    for (const [i, certificate] of path.entries()) {
      const problem = dateProblem(certificate, { at, isIssuer: i > 0 });
      if (!problem) continue;
      return this.#fail(problem, { about: certificate, depth: PROVEN });
    }
    return true;
  }

  /** Remembers the failure that came closest to an anchor. */
  #fail(
    problem: Problem,
    { about, depth }: { about: Certificate; depth: number },
  ): false {
    if (depth <= this.#depth) return false;
    this.#depth = depth;
    const found = refusal(problem.reason, said(about, problem.detail));
    this.#failure = { ...found, provenIssuer: depth === PROVEN };
    return false;
  }
}

/** Names are equal byte for byte, and key identifiers where both have one. */
export function mayHaveIssued(
  issuer: Certificate,
  child: Certificate,
): boolean {
  const { subjectKeyId } = issuer;
  const { authorityKeyId } = child;
  return equalBytes(issuer.subject.der, child.issuer.der) &&
    (subjectKeyId === undefined || authorityKeyId === undefined ||
      subjectKeyId === authorityKeyId);
}

/** What is wrong with the last certificate of a path as an issuer. */
function issuerProblem(
  path: readonly Certificate[],
  usage: ChainRequest["usage"],
): Problem | undefined {
  const issuer = path.at(-1);
  if (!issuer) return undefined;
  if (path.length > MAX_STEPS + 1) {
    return {
      reason: "too-long",
      detail: `is more than ${MAX_STEPS} steps away`,
    };
  }
  const problem = caProblem(issuer);
  if (problem) return problem;
  // Not in RFC 5280, but so do the TLS libraries: the purposes of an authority
  // bound those of what it issues.
  const purposes = issuer.extendedKeyUsage;
  if (
    purposes && !purposes.includes(usage) && !purposes.includes(ANY_PURPOSE)
  ) {
    return { reason: "usage", detail: `may not issue for ${usage}` };
  }
  // RFC 5280 §4.2.1.9: between it and the leaf, self-issued ones not counted
  const between =
    path.slice(1, -1).filter((each) => !isSelfIssued(each)).length;
  const { pathLength } = issuer;
  if (pathLength !== undefined && between > pathLength) {
    return {
      reason: "path-length",
      detail: `allows ${pathLength} authorities below it, found ${between}`,
    };
  }
  return undefined;
}

/** anyExtendedKeyUsage. */
const ANY_PURPOSE = "2.5.29.37.0";

function dateProblem(
  { notBefore, notAfter }: Certificate,
  { at, isIssuer }: { at: number; isIssuer: boolean },
): Problem | undefined {
  if (at < notBefore) {
    return {
      reason: isIssuer ? "issuer-not-yet-valid" : "not-yet-valid",
      detail: `is valid from ${formatTime(notBefore)}, and it is ${
        formatTime(at)
      }`,
    };
  }
  if (at > notAfter) {
    return {
      reason: isIssuer ? "issuer-expired" : "expired",
      detail: `expired at ${formatTime(notAfter)}, and it is ${formatTime(at)}`,
    };
  }
  return undefined;
}

function isSelfIssued(certificate: Certificate): boolean {
  return equalBytes(certificate.subject.der, certificate.issuer.der);
}

/** Whether a path has been at this authority: cross-signatures make circles. */
function includes(path: readonly Certificate[], issuer: Certificate): boolean {
  return path.some((each) =>
    equalBytes(each.spki, issuer.spki) &&
    equalBytes(each.subject.der, issuer.subject.der)
  );
}

function distinct(certificates: readonly Certificate[]): Certificate[] {
  const byPrint = new Map<string, Certificate>();
  for (const each of certificates) {
    if (!byPrint.has(each.fingerprint)) byPrint.set(each.fingerprint, each);
  }
  return [...byPrint.values()];
}

function said(certificate: Certificate, detail: string): string {
  return `Certificate "${formatName(certificate.subject)}" ${detail}`;
}

function keyIdNote({ authorityKeyId }: Certificate): string {
  return authorityKeyId === undefined ? "" : ` (key ${authorityKeyId})`;
}

function refusal(reason: ChainReason, detail: string): ChainRefusal {
  return { ok: false, reason, detail, provenIssuer: false };
}

function refused(reason: ChainReason, detail: string): Promise<ChainRefusal> {
  return Promise.resolve(refusal(reason, detail));
}
