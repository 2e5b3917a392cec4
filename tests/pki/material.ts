import { type Bytes, fromHex } from "../../lib/base/bytes.ts";
import { newId } from "../../lib/base/random.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import {
  type Certificate,
  readCertificate,
} from "../../lib/pki/certificate.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import {
  bitString,
  booleanTrue,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from "../../lib/pki/der.ts";
import { encodeName } from "../../lib/pki/names.ts";
import { OID } from "../../lib/pki/oids.ts";
import {
  issueLeaf,
  type LeafProfile,
  newSerial,
} from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { signed } from "../../lib/pki/tbs.ts";
import { webCrypto } from "../../lib/pki/web_crypto.ts";
import { SeededRandom } from "../fakes/random.ts";

/** The moment at which the tests of this folder take place. */
export const NOW = Date.UTC(2026, 0, 1);

export const random = new SeededRandom(1);
export const realCrypto = webCrypto(crypto.subtle, {
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
});

/** A certificate and its key. */
export interface Holder {
  readonly certificate: Certificate;
  readonly key: KeyPair;
}

/** What a made-up certificate says; a sound leaf in date where left out. */
export interface ForgeOptions {
  readonly subject?: string;
  /** Takes over this name and key. */
  readonly double?: Holder;
  /** Itself, where left out. */
  readonly issuer?: Holder;
  /** Claims this issuer's name, whoever signs. */
  readonly issuerName?: Bytes;
  readonly version?: 1 | 3;
  readonly extensions?: readonly Bytes[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly key?: KeyPair;
}

/** Makes any certificate at all, sound or not. */
export async function forge(options: ForgeOptions): Promise<Holder> {
  const { double } = options;
  const key = double?.key ?? options.key ?? await realCrypto.generateKey();
  const signer = options.issuer?.key ?? key;
  const subject = double?.certificate.subject.der ??
    encodeName([[OID.commonName, options.subject ?? "subject"]]);
  const issuer = options.issuerName ??
    options.issuer?.certificate.subject.der ?? subject;
  const { version = 3, extensions = [purposes("clientAuth")] } = options;
  const body = sequence(
    ...(version === 1 ? [] : [explicit(0, integer(version - 1))]),
    integer(newSerial(random)),
    sequence(oid(OID.ecdsaSha256)),
    issuer,
    sequence(
      time(options.notBefore ?? NOW - DAY),
      time(options.notAfter ?? NOW + DAY),
    ),
    subject,
    key.spki,
    ...(version === 1 ? [] : [explicit(3, sequence(...extensions))]),
  );
  const der = await signed(realCrypto, { key: signer.privateKey, body });
  return { certificate: await readCertificate(realCrypto, der), key };
}

/** One extension. */
export function extension(
  type: string,
  value: Bytes,
  options: { critical: boolean } = { critical: false },
): Bytes {
  const critical = options.critical ? [booleanTrue()] : [];
  return sequence(oid(type), ...critical, octetString(value));
}

export function purposes(...names: string[]): Bytes {
  const known: Readonly<Record<string, string>> = {
    clientAuth: OID.clientAuth,
    serverAuth: OID.serverAuth,
  };
  return extension(
    OID.extendedKeyUsage,
    sequence(...names.map((name) => oid(known[name] ?? name))),
  );
}

/** basicConstraints of an authority. */
export function authority(pathLength?: number): Bytes {
  const length = pathLength === undefined ? [] : [integer(pathLength)];
  return extension(
    OID.basicConstraints,
    sequence(booleanTrue(), ...length),
    { critical: true },
  );
}

/** KeyUsage with one bit: 0 is digitalSignature, 5 is keyCertSign. */
export function keyUsage(bit: number): Bytes {
  return extension(
    OID.keyUsage,
    bitString(Uint8Array.of(0x80 >> bit), 7 - bit),
    { critical: true },
  );
}

export function subjectKey(hex: string): Bytes {
  return extension(OID.subjectKeyIdentifier, octetString(fromHex(hex)));
}

export function authorityKey(hex: string): Bytes {
  return extension(
    OID.authorityKeyIdentifier,
    sequence(implicit(0, fromHex(hex))),
  );
}

/** A made-up authority. */
export function forgeCa(options: ForgeOptions): Promise<Holder> {
  return forge({ extensions: [authority()], ...options });
}

/** A root as the product makes it. */
export async function realRoot(generation = 1): Promise<Holder> {
  const key = await realCrypto.generateKey();
  const der = await createRoot(realCrypto, {
    random,
    now: NOW,
    generation,
    key,
  });
  return { certificate: await readCertificate(realCrypto, der), key };
}

/** The profile of a worker, with a key of its own where none is given. */
export async function leafProfile(
  change: Partial<LeafProfile> = {},
): Promise<LeafProfile> {
  return {
    clusterId: newId(random),
    nodeId: newId(random),
    role: "worker",
    spki: change.spki ?? (await realCrypto.generateKey()).spki,
    serial: newSerial(random),
    notBefore: NOW - HOUR,
    notAfter: NOW + 90 * DAY,
    dnsNames: [],
    ipAddresses: [],
    ...change,
  };
}

/** A leaf as the product makes it. */
export async function realLeaf(
  issuer: Holder,
  change: Partial<LeafProfile> = {},
): Promise<Holder & { readonly profile: LeafProfile }> {
  const key = await realCrypto.generateKey();
  const profile = await leafProfile({ spki: key.spki, ...change });
  const der = await issueLeaf(realCrypto, {
    profile,
    issuer: issuer.certificate,
    issuerKey: issuer.key.privateKey,
  });
  return {
    certificate: await readCertificate(realCrypto, der),
    key,
    profile,
  };
}
