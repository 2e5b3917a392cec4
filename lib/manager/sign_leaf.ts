import { type Bytes, toBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { type Clock, wholeSeconds } from "../base/time.ts";
import type { CertificateRecord } from "../cluster/node.ts";
import type { Store } from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import {
  checkLeaf,
  LEAF_BACKDATE,
  type LeafProfile,
  newSerial,
  type Role,
} from "../pki/profile.ts";
import type { Signer } from "../pki/signer.ts";
import { formatName } from "../pki/names.ts";
import { mustCluster } from "./records.ts";

/** What managers' certificates carry besides their own names. */
export interface ManagerNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** What signing works with. */
export interface SigningParts {
  readonly store: Store;
  readonly signer: Signer;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly managerNames: ManagerNames;
}

/** Whose certificate is to be signed. */
export interface LeafSubject {
  readonly nodeId: string;
  readonly role: Role;
  readonly csr: Bytes;
  readonly spki: Bytes;
  readonly spkiHash: string;
}

/**
 * Has a certificate signed, checks it, and gives the record of it.
 *
 * @throws {SwarmdError} `signer-unavailable` when the authority does not
 * answer, or signs something else than it was asked
 */
export async function signLeaf(
  parts: SigningParts,
  subject: LeafSubject,
): Promise<CertificateRecord> {
  const { signer, crypto } = parts;
  const profile = profileOf(parts, subject);
  const der = await signer.issue(profile, subject.csr);
  const leaf = await readSigned(crypto, der);
  const { serial: _serial, notBefore: _from, notAfter: _to, ...fields } =
    profile;
  // Of an authority elsewhere these are its own: the signer looks at them
  const expected = signer.choosesMoments ? fields : profile;
  const wrong = checkLeaf(leaf, { ...expected, roles: [profile.role] });
  if (wrong.length > 0) throw unusable(wrong.join("; "));
  await checkSignature(crypto, leaf, signer.issuer);
  return recordOf(leaf, { ...parts, subject });
}

/** A key that is not the issuer's would cut off whoever it signs for. */
async function checkSignature(
  crypto: Crypto,
  leaf: Certificate,
  issuer: Certificate,
): Promise<void> {
  const { signatureAlgorithm: algorithm, tbs: data, signature } = leaf;
  const { spki } = issuer;
  if (await crypto.verify({ spki, algorithm, data, signature })) return;
  throw unusable(
    `it does not carry the signature of "${formatName(issuer.subject)}"`,
  );
}

async function readSigned(crypto: Crypto, der: Bytes): Promise<Certificate> {
  try {
    return await readCertificate(crypto, der);
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    throw unusable(error.message);
  }
}

function unusable(why: string): SwarmdError {
  return new SwarmdError(
    "signer-unavailable",
    `Cannot use what the authority signed: ${why}`,
  );
}

function profileOf(parts: SigningParts, subject: LeafSubject): LeafProfile {
  const { clock, random, signer, store, managerNames } = parts;
  const { nodeId, role, spki } = subject;
  const { id: clusterId, leafLifeMs } = store.view(mustCluster);
  const now = wholeSeconds(clock.now());
  const end = now + wholeSeconds(leafLifeMs);
  const names = role === "manager"
    ? managerNames
    : { dnsNames: [], ipAddresses: [] };
  return {
    clusterId,
    nodeId,
    role,
    spki,
    ...names,
    serial: newSerial(random),
    notBefore: now - LEAF_BACKDATE,
    notAfter: wholeSeconds(
      Math.min(end, signer.issuer.notAfter, signer.until ?? Infinity),
    ),
  };
}

function recordOf(
  leaf: Certificate,
  { signer, clock, subject }: SigningParts & { readonly subject: LeafSubject },
): CertificateRecord {
  const chain = [leaf, ...signer.intermediates];
  return {
    fingerprint: leaf.fingerprint,
    serial: leaf.serial,
    spki: subject.spkiHash,
    issuerKeyId: signer.issuer.subjectKeyId ?? "",
    issuer: formatName(leaf.issuer),
    role: subject.role,
    issuedAt: clock.now(),
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    chain: chain.map((certificate) => toBase64(certificate.der)),
  };
}
