import { type Bytes, equalBytes } from "../base/bytes.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import { formatDuration, formatTime } from "../base/time.ts";
import { caProblem } from "./ca.ts";
import { type Certificate, readCertificates } from "./certificate.ts";
import { mayHaveIssued } from "./chain.ts";
import type { Crypto, KeyPair, PublicKeyType } from "./crypto.ts";
import { formatName } from "./names.ts";
import { decodePem } from "./pem.ts";
import { CA_NAME } from "./profile.ts";
import { MAX_RSA_BITS, MIN_RSA_BITS } from "./spki.ts";

/** Types of the keys with which an authority may sign here. */
export const AUTHORITY_KEYS: readonly PublicKeyType[] = [
  "p256",
  "p384",
  "ed25519",
  "rsa",
];
/**
 * Certificates in a chain file. Six are stored for a node: its leaf, these, and
 * one that is cross-signed.
 */
const MAX_CHAIN = 4;
/** What leaves are for, so that an authority with purposes must have them. */
const LEAF_PURPOSES = ["serverAuth", "clientAuth"];
/** anyExtendedKeyUsage. */
const ANY_PURPOSE = "2.5.29.37.0";

/** What an operator hands over to sign with. */
export interface CaFiles {
  /** The certificate that signs leaves, then its issuer and so on upwards. */
  readonly certificatesPem: string;
  /** One key in PKCS#8, which may be encrypted. */
  readonly keyPem: string;
  /** Of an encrypted key. */
  readonly passphrase?: string;
  /**
   * Opens EncryptedPrivateKeyInfo (RFC 5958 §3); gives PKCS#8.
   *
   * @throws {SwarmdError} when the passphrase or the bytes are wrong
   */
  readonly decrypt: (sealed: Bytes, passphrase: string) => Promise<Bytes>;
}

/** When leaves are to be signed, and for how long. */
export interface CaExpectation {
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** Life of a leaf, in milliseconds. */
  readonly leafLifeMs: number;
}

/** An authority that was imported. */
export interface ImportedCa {
  /**
   * The certificate that signs leaves, root or not. It is what nodes trust and
   * what tokens pin: whoever holds a key above it could otherwise make nodes.
   */
  readonly anchor: Certificate;
  readonly key: KeyPair;
  /**
   * What leads from a leaf to whoever trusts the top of the chain alone: the
   * anchor, unless it is self-signed, and what is above it; never a root.
   */
  readonly intermediates: readonly Certificate[];
}

/**
 * Reads an existing authority that is to sign the certificates of nodes.
 *
 * @throws {SwarmdError} `usage`, to stop, naming what is wrong; never a secret
 */
export async function importCa(
  crypto: Crypto,
  files: CaFiles,
  expected: CaExpectation,
): Promise<ImportedCa> {
  const chain = await readChain(crypto, files.certificatesPem);
  const [anchor] = chain;
  if (!anchor) throw refused("the chain is empty"); // unreachable
  checkKeyType(anchor);
  const key = await readKey(crypto, files);
  checkKeyIsOf(chain, key);
  for (const each of chain) checkAuthority(each, expected.now);
  await checkOrder(crypto, chain);
  checkSignsLeaves(anchor, expected);
  return { anchor, key, intermediates: chain.filter((each) => !isRoot(each)) };
}

/** The certificates of an authority that signs elsewhere. */
export type Anchor = Pick<ImportedCa, "anchor" | "intermediates">;

/**
 * Reads the certificates of an authority whose key is elsewhere.
 *
 * @throws {SwarmdError} `usage`, to stop, naming what is wrong
 */
export async function importAnchor(
  crypto: Crypto,
  certificatesPem: string,
  expected: CaExpectation,
): Promise<Anchor> {
  const chain = await readChain(crypto, certificatesPem);
  const [anchor] = chain;
  if (!anchor) throw refused("the chain is empty"); // unreachable
  checkKeyType(anchor);
  checkName(anchor);
  for (const each of chain) checkAuthority(each, expected.now);
  await checkOrder(crypto, chain);
  checkSignsLeaves(anchor, expected);
  return { anchor, intermediates: chain.filter((each) => !isRoot(each)) };
}

/**
 * Of roots with that name nodes want a cross-signature for the next, which
 * nobody could make without the key: no rotation would ever lead away.
 */
function checkName(anchor: Certificate): void {
  if (anchor.subject.commonName !== CA_NAME) return;
  throw refused(
    `${
      named(anchor)
    } has the name of clusters' own roots, and its key is elsewhere`,
    { hint: "Give the authority another common name" },
  );
}

async function readChain(crypto: Crypto, pem: string): Promise<Certificate[]> {
  const chain = await readCertificates(crypto, pem).catch((error) => {
    throw refusedAs(error);
  });
  if (chain.length > MAX_CHAIN) {
    throw refused(
      `the chain has ${chain.length} certificates, want at most ${MAX_CHAIN}`,
    );
  }
  return chain;
}

function checkKeyType(anchor: Certificate): void {
  const { publicKeyType: type, publicKeyBits: bits } = anchor;
  if (!AUTHORITY_KEYS.includes(type)) {
    throw refused(
      `${named(anchor)} has a key of type ${type}, want one of ${
        AUTHORITY_KEYS.join(", ")
      }`,
    );
  }
  if (type === "rsa" && (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)) {
    throw refused(
      `${
        named(anchor)
      } has an RSA key of ${bits} bits, want ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`,
    );
  }
}

async function readKey(crypto: Crypto, files: CaFiles): Promise<KeyPair> {
  const pkcs8 = await openKey(files);
  try {
    return await crypto.importPkcs8(pkcs8, AUTHORITY_KEYS);
  } catch (error) {
    throw refusedAs(error);
  }
}

const BEGIN_REGEXP = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/gm;
const PLAIN = "PRIVATE KEY";
const ENCRYPTED = "ENCRYPTED PRIVATE KEY";

/** PKCS#8 of the one key in a file. */
async function openKey(files: CaFiles): Promise<Bytes> {
  const { keyPem, passphrase, decrypt } = files;
  const lines = keyPem.replaceAll("\r\n", "\n");
  const labels = [...lines.matchAll(BEGIN_REGEXP)].map(([, label]) => label);
  const [label, second] = labels;
  if (label === undefined) throw refused("the key file holds no key in PEM");
  if (second !== undefined) {
    throw refused(`the key file holds ${labels.length} blocks, want one key`);
  }
  if (label === PLAIN) return onlyBlock(lines, PLAIN);
  if (label !== ENCRYPTED) throw notPkcs8(label);
  const sealed = onlyBlock(lines, ENCRYPTED);
  if (passphrase === undefined) {
    throw refused("the key is encrypted, and no passphrase was given");
  }
  return await decrypt(sealed, passphrase);
}

function onlyBlock(pem: string, label: string): Bytes {
  try {
    const [block = new Uint8Array()] = decodePem(pem, label);
    return block;
  } catch (error) {
    throw refusedAs(error);
  }
}

function notPkcs8(label: string): SwarmdError {
  return refused(`the key file holds a block "${label}", want "${PLAIN}"`, {
    hint:
      "Convert the key: openssl pkcs8 -topk8 -in OLD -out NEW -v2 aes-256-cbc",
  });
}

function checkKeyIsOf(chain: readonly Certificate[], key: KeyPair): void {
  const at = chain.findIndex((each) => equalBytes(each.spki, key.spki));
  if (at === 0) return;
  throw refused(
    at < 0
      ? "the key is that of another certificate"
      : `the chain is in the wrong order: the key is that of certificate ${
        at + 1
      }, want it to be that of the first`,
  );
}

function checkAuthority(certificate: Certificate, now: number): void {
  const { notBefore, notAfter } = certificate;
  const problem = caProblem(certificate);
  if (problem) throw refused(`${named(certificate)} ${problem.detail}`);
  if (now < notBefore) {
    throw refused(
      `${named(certificate)} is not valid before ${formatTime(notBefore)}`,
    );
  }
  if (now > notAfter) {
    throw refused(`${named(certificate)} expired at ${formatTime(notAfter)}`);
  }
}

/** Each is issued by the next. */
async function checkOrder(
  crypto: Crypto,
  chain: readonly Certificate[],
): Promise<void> {
  for (const [at, child] of chain.entries()) {
    const issuer = chain[at + 1] ?? (isRoot(child) ? child : undefined);
    if (!issuer) return;
    if (!mayHaveIssued(issuer, child)) {
      throw refused(
        `the chain is in the wrong order, or not one chain: ${
          named(child)
        } is not issued by ${named(issuer)}, which follows it`,
      );
    }
    const verified = await crypto.verify({
      spki: issuer.spki,
      algorithm: child.signatureAlgorithm,
      data: child.tbs,
      signature: child.signature,
    });
    if (verified) continue;
    throw refused(`${named(child)} is not signed by the key of its issuer`);
  }
}

function checkSignsLeaves(
  anchor: Certificate,
  { now, leafLifeMs }: CaExpectation,
): void {
  const { extendedKeyUsage: purposes, notAfter } = anchor;
  const missing = purposes?.includes(ANY_PURPOSE)
    ? []
    : LEAF_PURPOSES.filter((each) => purposes?.includes(each) === false);
  if (missing.length > 0) {
    throw refused(`${named(anchor)} may not issue for ${missing.join(", ")}`);
  }
  if (notAfter < now + leafLifeMs) {
    throw refused(
      `${named(anchor)} ends at ${formatTime(notAfter)}, too soon for ` +
        `certificates that live ${formatDuration(leafLifeMs)}`,
    );
  }
}

function isRoot({ subject, issuer }: Certificate): boolean {
  return equalBytes(subject.der, issuer.der);
}

function named({ subject }: Certificate): string {
  return `"${formatName(subject)}"`;
}

function refusedAs(error: unknown): unknown {
  if (error instanceof SwarmdError || error instanceof SyntaxError) {
    return refused(describeError(error));
  }
  return error;
}

function refused(
  found: string,
  detail: { readonly hint?: string; readonly cause?: unknown } = {},
): SwarmdError {
  return new SwarmdError(
    "usage",
    `Cannot use this authority to sign with: ${found}`,
    { verdict: "stop", ...detail },
  );
}
