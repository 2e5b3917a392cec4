import { type Bytes, fromBase64, toBase64, utf8 } from "../base/bytes.ts";
import { MINUTE } from "../base/time.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import { verifyChain } from "../pki/chain.ts";
import type { Crypto, PrivateKey } from "../pki/crypto.ts";
import { signingAlgorithm } from "../pki/algorithms.ts";
import { roleOf } from "../pki/profile.ts";
import type { ChainPoint } from "./audit_chain.ts";

/** A head is signed after so many entries, at the latest. */
const HEAD_ENTRIES = 100;
/** A head is signed so long after the one before, if there are new entries. */
const HEAD_MS = 10 * MINUTE;

/** What a manager vouches for: how its log goes, up to an entry. */
export interface SignedHead extends ChainPoint {
  /** Wall clock of the manager, in milliseconds. */
  readonly at: number;
  /** Id of the manager's node. */
  readonly manager: string;
  /** The certificate whose key signed, DER in base64. */
  readonly certificate: string;
  /** Over the fields above but the certificate, base64. */
  readonly signature: string;
}

/** Whether another head is to be signed now. */
export function isHeadDue(
  head: Pick<SignedHead, "sequence" | "at"> | undefined,
  { last, now }: { readonly last: number; readonly now: number },
): boolean {
  if (!head) return last > 0;
  const fresh = last - head.sequence;
  if (fresh <= 0) return false;
  // A clock that was set back must not end the signing until it catches up.
  const age = Math.abs(now - head.at);
  return fresh >= HEAD_ENTRIES || age >= HEAD_MS;
}

/** Who signs heads. */
export interface HeadSigner {
  readonly manager: string;
  readonly key: PrivateKey;
  readonly certificate: Pick<Certificate, "der">;
}

/** Signs a point of the own log. */
export async function signHead(
  crypto: Crypto,
  point: ChainPoint & Pick<SignedHead, "at">,
  { manager, key, certificate }: HeadSigner,
): Promise<SignedHead> {
  const { sequence, hash, at } = point;
  const unsigned = { sequence, hash, at, manager };
  return {
    ...unsigned,
    certificate: toBase64(certificate.der),
    signature: toBase64(await crypto.sign(key, signedBytes(unsigned))),
  };
}

/**
 * What a signature under a head is worth: `good`; `forged` when it is not by
 * the certificate, or that is not of this manager; `other-root` when the
 * certificate leads to none of the roots, as after a rotation.
 */
export type HeadVerdict = "good" | "forged" | "other-root";

/** What a head's signature is judged by. */
export interface HeadCase {
  readonly head: SignedHead;
  readonly clusterId: string;
  /** The roots of the cluster. */
  readonly anchors: readonly Certificate[];
  /** What the manager presented to whoever judges: verified when it did. */
  readonly presented?: Certificate;
}

/** Judges the signature under a head, as of when it was made. */
export async function judgeSignature(
  crypto: Crypto,
  { head, clusterId, anchors, presented: leaf }: HeadCase,
): Promise<HeadVerdict> {
  const isPresented = leaf && toBase64(leaf.der) === head.certificate;
  const certificate = isPresented
    ? leaf
    : await tryRead(crypto, head.certificate);
  if (!certificate) return "forged";
  const { subject, publicKeyType, spki } = certificate;
  const named = subject.commonName === head.manager &&
    subject.organization === clusterId &&
    roleOf(subject.organizationalUnit) === "manager";
  const signature = tryBase64(head.signature);
  const signed = named && signature && await crypto.verify({
    spki,
    algorithm: signingAlgorithm(publicKeyType),
    data: signedBytes(head),
    signature,
  });
  if (!signed) return "forged";
  if (isPresented) return "good"; // a head has no chain with it
  const presented = [certificate];
  const at = head.at;
  const chain = { presented, anchors, usage: "serverAuth", at } as const;
  return (await verifyChain(crypto, chain)).ok ? "good" : "other-root";
}

/**
 * What a node that keeps the newest head of a manager makes of another one of
 * the same manager. `same` and `newer` are as they should be; `older` and
 * `rewritten` say that the log is not what it was: restored, or changed.
 */
export function compareHeads(
  kept: ChainPoint | undefined,
  next: ChainPoint,
): "newer" | "same" | "older" | "rewritten" {
  if (!kept || next.sequence > kept.sequence) return "newer";
  if (next.sequence < kept.sequence) return "older";
  return next.hash === kept.hash ? "same" : "rewritten";
}

/** Named for what it is: the key signs handshakes and requests as well. */
function signedBytes(
  { sequence, hash, at, manager }: Omit<
    SignedHead,
    "certificate" | "signature"
  >,
): Bytes {
  return utf8(`swarmd audit head\n${manager}\n${sequence}\n${hash}\n${at}\n`);
}

async function tryRead(
  crypto: Crypto,
  base64: string,
): Promise<Certificate | undefined> {
  const der = tryBase64(base64);
  if (!der) return undefined;
  try {
    return await readCertificate(crypto, der);
  } catch {
    // Not a certificate: the verdict says so.
    return undefined;
  }
}

function tryBase64(text: string): Bytes | undefined {
  try {
    return fromBase64(text);
  } catch {
    // Not base64: the verdict says so.
    return undefined;
  }
}
