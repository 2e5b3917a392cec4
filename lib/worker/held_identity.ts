import { SwarmdError } from "../base/errors.ts";
import { readCertificates } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import {
  type CheckedIdentity,
  checkIdentity,
  type NodeIdentity,
} from "../pki/identity.ts";
import type { StoredIdentity } from "../pki/identity_store.ts";
import { decodePem, encodePem } from "../pki/pem.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import {
  bundleDigest,
  readBundle,
  type TrustBundle,
  writeBundle,
} from "../pki/trust_bundle.ts";
import type { ClientCredentials } from "../rpc/connection.ts";

/** Where the parts lie, for people. */
const FILES = {
  key: "certificates/swarm-node.key",
  certificate: "certificates/swarm-node.crt",
  roots: "certificates/swarm-root-ca.crt",
} as const;

/** The identity that a worker holds: checked, and never changed in parts. */
export interface HeldIdentity extends CheckedIdentity {
  readonly identity: NodeIdentity;
  /** By this machine's clock, in milliseconds. */
  readonly issuedAt: number;
  readonly trust: TrustDigests;
}

/** What is said of the roots that a node trusts. */
export interface TrustDigests {
  /** Of all of them. */
  readonly bundle: string;
  /** Of the newest, as join tokens pin it. */
  readonly newest: string;
}

/** The digests of a bundle; roots stand in it oldest first. */
export async function trustDigests(
  crypto: Crypto,
  bundle: TrustBundle,
): Promise<TrustDigests> {
  const newest = bundle.roots.at(-1)?.der ?? new Uint8Array();
  return {
    bundle: await bundleDigest(crypto, bundle),
    newest: formatDigest(await rootDigest(crypto, newest)),
  };
}

/**
 * Reads an identity as it lies on disk. A wrong date is no reason to refuse:
 * nothing ends because a certificate did, or because the clock is wrong.
 *
 * @throws {SwarmdError} `damaged-state`
 */
export async function readStored(
  crypto: Crypto,
  stored: StoredIdentity,
  options: { readonly now: number; readonly issuedAt?: number },
): Promise<HeldIdentity> {
  const identity = await readFiles(crypto, stored);
  const checked = await checkIdentity(crypto, {
    identity,
    clusterId: identity.chain[0]?.subject.organization ?? "",
    roles: ["worker", "manager"],
    now: options.now,
    code: "damaged-state",
    allowExpired: true,
  });
  const issuedAt = options.issuedAt ?? checked.certificate.notBefore;
  const trust = await trustDigests(crypto, identity.bundle);
  return { ...checked, identity, issuedAt, trust };
}

async function readFiles(
  crypto: Crypto,
  { keyPem, certificatePem, rootsPem }: StoredIdentity,
): Promise<NodeIdentity> {
  return {
    key: await readPart("key", async () => {
      const [pkcs8 = new Uint8Array()] = decodePem(keyPem, "PRIVATE KEY");
      return await crypto.importPkcs8(pkcs8);
    }),
    keyPkcs8Pem: keyPem,
    chain: await readPart(
      "certificate",
      () => readCertificates(crypto, certificatePem),
    ),
    bundle: await readPart("roots", () => readBundle(crypto, rootsPem)),
  };
}

/** What of the three is wrong says which file to restore. */
async function readPart<T>(
  part: keyof typeof FILES,
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const unreadable = error instanceof SyntaxError ||
      error instanceof SwarmdError;
    if (!unreadable) throw error;
    throw new SwarmdError(
      "damaged-state",
      `Cannot use the identity on disk: ${FILES[part]}: ${error.message}`,
      {
        verdict: "stop",
        hint:
          'Restore "certificates" from a backup; without one, move "certificates" and "identities" away and join again, as a new node',
      },
    );
  }
}

/** What goes to disk. */
export function toStored({ identity }: HeldIdentity): StoredIdentity {
  return {
    rootsPem: writeBundle(identity.bundle),
    certificatePem: chainPem(identity),
    keyPem: identity.keyPkcs8Pem,
  };
}

/** What a dial presents. */
export function toCredentials({ identity }: HeldIdentity): ClientCredentials {
  return {
    rootsPem: writeBundle(identity.bundle),
    identity: { chainPem: chainPem(identity), keyPem: identity.keyPkcs8Pem },
  };
}

function chainPem({ chain }: NodeIdentity): string {
  return chain.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
}
