import { assert, assertEquals } from "@std/assert";
import type { Certificate } from "../../lib/pki/certificate.ts";
import {
  type ChainReason,
  type ChainRequest,
  verifyChain,
} from "../../lib/pki/chain.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import {
  authority,
  authorityKey,
  forge,
  type Holder,
  NOW,
  realCrypto,
  subjectKey,
} from "./material.ts";

/** Judges a chain of holders at {@linkcode NOW}, as a client's. */
export function judge(
  presented: readonly Holder[],
  anchors: readonly Holder[],
  change: Partial<ChainRequest> & { crypto?: Crypto } = {},
) {
  const certificates = (holders: readonly Holder[]) =>
    holders.map((holder) => holder.certificate);
  return verifyChain(change.crypto ?? realCrypto, {
    presented: certificates(presented),
    anchors: certificates(anchors),
    usage: "clientAuth",
    at: NOW,
    ...change,
  });
}

/** Expects a refusal; only dates prove the issuer. */
export async function assertRefused(
  verdict: ReturnType<typeof judge>,
  reason: ChainReason | readonly [ChainReason, what: string],
): Promise<string> {
  const [want, what] = typeof reason === "string" ? [reason, reason] : reason;
  const found = await verdict;
  assert(!found.ok, what);
  assertEquals(found.reason, want, `${what}: ${found.detail}`);
  const datesOnly = /expired|not-yet-valid/.test(want);
  assertEquals(found.provenIssuer, datesOnly, what);
  return found.detail;
}

/** Expects a path, and the earliest end in it. */
export async function assertPath(
  verdict: ReturnType<typeof judge>,
  path: readonly Holder[],
): Promise<void> {
  const found = await verdict;
  assert(found.ok, found.ok ? "" : found.detail);
  const prints = (certificates: readonly Certificate[]) =>
    certificates.map((certificate) => certificate.fingerprint);
  assertEquals(
    prints(found.path),
    prints(path.map((holder) => holder.certificate)),
  );
  assertEquals(
    found.validUntil,
    Math.min(...found.path.map((certificate) => certificate.notAfter)),
  );
}

/** A certificate for the key and name of one root, by another. */
export function crossSign(double: Holder, issuer: Holder): Promise<Holder> {
  return forge({
    double,
    issuer,
    extensions: [
      authority(),
      subjectKey(double.certificate.subjectKeyId ?? ""),
      authorityKey(issuer.certificate.subjectKeyId ?? ""),
    ],
  });
}
