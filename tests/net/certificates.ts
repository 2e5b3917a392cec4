import { encodePem } from "../../lib/pki/pem.ts";
import type { Bytes } from "../../lib/base/bytes.ts";
import { newId } from "../../lib/base/random.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import {
  type Certificate,
  readCertificate,
} from "../../lib/pki/certificate.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { issueLeaf, newSerial, type Role } from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import type {
  ClientCredentials,
  ServerCredentials,
} from "../../lib/rpc/connection.ts";
import { systemCrypto, systemRandom } from "../../lib/net/system.ts";

/** A cluster's authority, for tests. */
export interface Authority {
  readonly clusterId: string;
  readonly certificate: Certificate;
  readonly key: KeyPair;
  readonly pem: string;
}

/** A certificate and its key, as files hold them. */
export interface Pair {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly der: Bytes;
}

/** What a test may want of a leaf. */
export interface LeafOptions {
  readonly role?: Role;
  /** Milliseconds from now. */
  readonly from?: number;
  /** Milliseconds from now. */
  readonly until?: number;
}

/** All authorities have the same name, as in two clusters. */
export async function newAuthority(): Promise<Authority> {
  const key = await systemCrypto.generateKey();
  const der = await createRoot(systemCrypto, {
    random: systemRandom,
    now: Date.now(),
    generation: 1,
    key,
  });
  return {
    clusterId: newId(systemRandom),
    certificate: await readCertificate(systemCrypto, der),
    key,
    pem: encodePem("CERTIFICATE", der),
  };
}

export async function newLeaf(
  authority: Authority,
  options: LeafOptions = {},
): Promise<Pair> {
  const { role = "manager", from = -60 * SECOND, until = DAY } = options;
  const now = Math.floor(Date.now() / SECOND) * SECOND;
  const key = await systemCrypto.generateKey();
  const der = await issueLeaf(systemCrypto, {
    issuer: authority.certificate,
    issuerKey: authority.key.privateKey,
    profile: {
      clusterId: authority.clusterId,
      nodeId: newId(systemRandom),
      role,
      spki: key.spki,
      serial: newSerial(systemRandom),
      notBefore: now + from,
      notAfter: now + until,
      dnsNames: [],
      ipAddresses: [],
    },
  });
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  return {
    chainPem: encodePem("CERTIFICATE", der),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
    der,
  };
}

export async function serverCredentials(
  authority: Authority,
  options?: LeafOptions,
): Promise<ServerCredentials> {
  return { ...await newLeaf(authority, options), rootsPem: authority.pem };
}

export async function clientCredentials(
  authority: Authority,
  options: LeafOptions = { role: "worker" },
): Promise<ClientCredentials> {
  const identity = await newLeaf(authority, options);
  return { rootsPem: authority.pem, identity };
}
