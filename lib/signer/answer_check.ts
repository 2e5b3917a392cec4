import { formatTime, HOUR, MINUTE } from "../base/time.ts";
import type { Certificate } from "../pki/certificate.ts";
import { verifyChain } from "../pki/chain.ts";
import type { Crypto } from "../pki/crypto.ts";
import { checkLeaf, type LeafProfile } from "../pki/profile.ts";

/**
 * How much later than asked a leaf may end, in milliseconds: as much as it is
 * backdated, which cfssl does or does not add to its end.
 */
const LATER = HOUR;
/** cfssl rounds to whole minutes. */
const ROUNDING = MINUTE;

/** What is compared with an answer. */
export interface AnswerExpectation {
  readonly profile: LeafProfile;
  readonly issuer: Certificate;
  readonly crypto: Crypto;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/**
 * Compares what an external authority signed with what it was asked to, field
 * by field, and looks whether it really is the issuer's. Serial number and
 * moments are the authority's own, but the moments within bounds: a leaf that
 * has less than half of its life left would be renewed at once, over and over,
 * and one that lives longer than the cluster wants outlives its policy.
 *
 * @returns one sentence for each difference; none when all is well
 */
export async function answerProblems(
  leaf: Certificate,
  expected: AnswerExpectation,
): Promise<string[]> {
  const { profile } = expected;
  const { serial: _serial, notBefore: _from, notAfter: _to, ...fields } =
    profile;
  return [
    ...checkLeaf(leaf, { ...fields, roles: [profile.role] }),
    ...endProblems(leaf, expected),
    ...await chainProblems(leaf, expected),
  ];
}

function endProblems(
  { notAfter }: Certificate,
  { profile, now }: AnswerExpectation,
): string[] {
  const earliest = now + (profile.notAfter - now) / 2 - ROUNDING;
  const latest = profile.notAfter + LATER + ROUNDING;
  if (notAfter >= earliest && notAfter <= latest) return [];
  return [
    `end: found ${formatTime(notAfter)}, want ${formatTime(earliest)} to ${
      formatTime(latest)
    }`,
  ];
}

async function chainProblems(
  leaf: Certificate,
  { profile, issuer, crypto, now }: AnswerExpectation,
): Promise<string[]> {
  const usages = profile.role === "manager"
    ? ["clientAuth", "serverAuth"] as const
    : ["clientAuth"] as const;
  const problems = new Set<string>();
  for (const usage of usages) {
    const verdict = await verifyChain(crypto, {
      presented: [leaf],
      anchors: [issuer],
      usage,
      at: now,
    });
    if (!verdict.ok) problems.add(verdict.detail);
  }
  return [...problems];
}
