import { type Bytes, equalBytes, fromHex } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { formatTime, wholeSeconds } from "../base/time.ts";
import { signingAlgorithm } from "./algorithms.ts";
import { caProblem } from "./ca.ts";
import type { Certificate } from "./certificate.ts";
import { type CrossMark, crossMark, readCrossMark } from "./cross_mark.ts";
import type { Crypto, PrivateKey } from "./crypto.ts";
import {
  authorityKeyId,
  CA_CONSTRAINTS,
  CA_KEY_USAGE,
  subjectKeyId,
} from "./extension_writer.ts";
import { formatName } from "./names.ts";
import { newSerial } from "./profile.ts";
import { CA_BACKDATE } from "./root.ts";
import { encodeTbs, signed } from "./tbs.ts";

/** A root to be vouched for, and who does it. */
export interface CrossOrder extends Pick<CrossMark, "clusterId"> {
  /** The root that comes. */
  readonly root: Certificate;
  /** Its generation. */
  readonly generation: number;
  /** Whether it may enter a succession: see {@linkcode CrossMark}. */
  readonly successor: boolean;
  /** The root that signs. */
  readonly issuer: Certificate;
  readonly issuerKey: PrivateKey;
  readonly random: Random;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** Wanted end, in milliseconds since 1970; never later than the issuer's. */
  readonly end: number;
}

/**
 * Signs a root with another root's key: the same name, key identifier and key,
 * so that what was issued under it also leads to the one that signs.
 *
 * @returns the certificate, DER
 * @throws {SwarmdError} `usage` as {@linkcode crossSignProblem} says, or when
 * nothing would be left of its life
 */
export async function crossSign(
  crypto: Crypto,
  order: CrossOrder,
): Promise<Bytes> {
  const { root, issuer, now } = order;
  const notAfter = wholeSeconds(Math.min(issuer.notAfter, order.end));
  const problem = crossSignProblem(order) ??
    (notAfter > now ? undefined : `it would end at ${formatTime(notAfter)}`);
  if (problem !== undefined) {
    throw new SwarmdError(
      "usage",
      `Cannot cross-sign "${formatName(root.subject)}": ${problem}`,
    );
  }
  const algorithm = signingAlgorithm(issuer.publicKeyType);
  const body = encodeTbs({
    algorithm,
    serial: newSerial(order.random),
    issuer: issuer.subject.der,
    // No later than who signs: a clock that is ahead now does not matter then
    notBefore: wholeSeconds(Math.min(now - CA_BACKDATE, issuer.notBefore)),
    notAfter,
    subject: root.subject.der,
    spki: root.spki,
    extensions: extensionsOf(order),
  });
  return await signed(crypto, { key: order.issuerKey, body, algorithm });
}

/**
 * Why one root cannot vouch for another, whatever the date; the rest of a
 * sentence.
 */
export function crossSignProblem(
  { root, issuer }: Pick<CrossOrder, "root" | "issuer">,
): string | undefined {
  const [mine, theirs] = [caProblem(root), caProblem(issuer)];
  if (mine) return `it ${mine.detail}`;
  const signer = `"${formatName(issuer.subject)}"`;
  if (theirs) return `${signer} ${theirs.detail}`;
  // RFC 5280 §4.2.1.9: the root would be an authority below it
  if (issuer.pathLength === 0) {
    return `${signer} allows no authority below it`;
  }
  if (equalBytes(root.subject.der, issuer.subject.der)) {
    return `${signer} has the same name`;
  }
  return equalBytes(root.spki, issuer.spki)
    ? `${signer} has the same key`
    : undefined;
}

/** A root that is offered, with what vouches for it. */
export interface Vouched {
  /** The root's own certificate. */
  readonly root: Certificate;
  /** The same root, cross-signed. */
  readonly cross: Certificate;
}

/** What a cross-signature must say to be believed. */
export interface CrossExpectation {
  readonly clusterId: string;
  /** The root that the believer trusts already. */
  readonly issuer: Certificate;
  /** Only a higher generation is believed. */
  readonly above: number;
  /** Wall clock, in milliseconds. */
  readonly at: number;
  /** Whether it came over a connection that proves nothing. */
  readonly unverified: boolean;
}

/**
 * Checks one link: that a trusted root vouches for exactly this root, for this
 * cluster, as a later generation.
 *
 * @returns the generation of the new root
 * @throws {SwarmdError} `root-mismatch`, naming what is wrong
 */
export async function verifyCross(
  crypto: Crypto,
  { root, cross }: Vouched,
  expected: CrossExpectation,
): Promise<number> {
  const mark = readCrossMark(cross);
  const problem = markProblem(mark, { root, expected }) ??
    certificateProblem({ root, cross }, expected);
  if (problem !== undefined) throw refused(root, problem);
  const holds = await crypto.verify({
    spki: expected.issuer.spki,
    algorithm: cross.signatureAlgorithm,
    data: cross.tbs,
    signature: cross.signature,
  });
  if (holds && mark) return mark.generation;
  throw refused(root, `"${formatName(cross.issuer)}" did not sign for it`);
}

function extensionsOf(order: CrossOrder): Bytes[] {
  const { root, issuer, clusterId, generation, successor } = order;
  const own = root.subjectKeyId;
  const signer = issuer.subjectKeyId;
  return [
    CA_CONSTRAINTS,
    CA_KEY_USAGE,
    // A foreign authority may be without key identifiers
    ...(own === undefined ? [] : [subjectKeyId(fromHex(own))]),
    ...(signer === undefined ? [] : [authorityKeyId(signer)]),
    crossMark({ clusterId, generation, root: root.fingerprint, successor }),
  ];
}

function markProblem(
  mark: CrossMark | undefined,
  { root, expected }: { root: Certificate; expected: CrossExpectation },
): string | undefined {
  if (!mark) return "the cross-signature does not say for what it was made";
  const { clusterId, generation } = mark;
  if (clusterId !== expected.clusterId) {
    return `it is vouched for in cluster "${clusterId}", want "${expected.clusterId}"`;
  }
  if (generation <= expected.above) {
    return `it is of generation ${generation}, want one above ${expected.above}`;
  }
  if (mark.root !== root.fingerprint) {
    return "the cross-signature is for another certificate";
  }
  return mark.successor || !expected.unverified
    ? undefined
    : "its rotation had not ended when it was vouched for";
}

function certificateProblem(
  { root, cross }: Vouched,
  { issuer, at }: CrossExpectation,
): string | undefined {
  for (const each of [root, cross]) {
    const problem = caProblem(each);
    if (problem) return `it ${problem.detail}`;
    if (at < each.notBefore || at > each.notAfter) {
      return `it is valid from ${formatTime(each.notBefore)} to ${
        formatTime(each.notAfter)
      }, and it is ${formatTime(at)}`;
    }
  }
  const same = equalBytes(cross.subject.der, root.subject.der) &&
    equalBytes(cross.spki, root.spki) &&
    cross.subjectKeyId === root.subjectKeyId;
  if (!same) return "name and key are not those that are vouched for";
  return equalBytes(cross.issuer.der, issuer.subject.der)
    ? undefined
    : `"${formatName(cross.issuer)}" vouches for it, want "${
      formatName(issuer.subject)
    }"`;
}

function refused(root: Certificate, why: string): SwarmdError {
  return new SwarmdError(
    "root-mismatch",
    `Cannot trust root "${formatName(root.subject)}": ${why}`,
  );
}
