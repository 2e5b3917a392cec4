import { type Bytes, equalBytes, toHex } from "../base/bytes.ts";
import { isId, type Random } from "../base/random.ts";
import { formatTime, HOUR } from "../base/time.ts";
import { signingAlgorithm } from "./algorithms.ts";
import type { Certificate } from "./certificate.ts";
import type { Crypto, PrivateKey } from "./crypto.ts";
import {
  authorityKeyId,
  LEAF_CONSTRAINTS,
  LEAF_KEY_USAGE,
  LEAF_PURPOSES,
  subjectAltName,
  subjectKeyId,
} from "./extension_writer.ts";
import { formatIp, isDnsName, parseIp } from "./host_names.ts";
import { encodeName, type NameAttribute } from "./names.ts";
import { OID } from "./oids.ts";
import { keyIdOf } from "./spki.ts";
import { encodeTbs, signed } from "./tbs.ts";

/** What a node is; its certificate carries it as the organizational unit. */
export type Role = "manager" | "worker";

/** How long before its issue a leaf is valid, in milliseconds: clocks differ. */
export const LEAF_BACKDATE = HOUR;
/** Length of a serial number, in bytes (RFC 5280 §4.1.2.2: at most 20). */
const SERIAL_BYTES = 20;
/** The name under which any manager answers for the authority. */
export const CA_NAME = "swarm-ca";

/**
 * Whether a root is not one of ours: an authority elsewhere, or imported. Ours
 * can always vouch for the next one. An authority whose key its owner keeps
 * cannot: there a verified manager's word has to be enough.
 */
export function isForeign({ subject }: Certificate): boolean {
  return subject.commonName !== CA_NAME;
}

/** Everything that distinguishes one leaf from another. */
export interface LeafProfile {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly role: Role;
  /** The node's public key, DER, from a request that `readCsr` accepted. */
  readonly spki: Bytes;
  /** From {@linkcode newSerial}. */
  readonly serial: Bytes;
  /** Milliseconds since 1970, whole seconds. */
  readonly notBefore: number;
  /** Milliseconds since 1970, whole seconds. */
  readonly notAfter: number;
  /** Further host names, of a manager only. */
  readonly dnsNames: readonly string[];
  /** IPv4 and IPv6 addresses, of a manager only. */
  readonly ipAddresses: readonly string[];
}

/** The organizational unit of a role. */
export function ouOf(role: Role): string {
  return `swarm-${role}`;
}

/** The role that an organizational unit stands for. */
export function roleOf(ou: string | undefined): Role | undefined {
  if (ou === "swarm-manager") return "manager";
  return ou === "swarm-worker" ? "worker" : undefined;
}

/** The subject of a node's certificates. */
function subjectOf(
  node: Pick<LeafProfile, "clusterId" | "nodeId" | "role">,
): NameAttribute[] {
  return [
    [OID.organization, node.clusterId],
    [OID.organizationalUnit, ouOf(node.role)],
    [OID.commonName, node.nodeId],
  ];
}

/** All DNS names of a node's certificates, each once. */
export function dnsNamesOf(
  node: Pick<LeafProfile, "nodeId" | "role" | "dnsNames">,
): string[] {
  const own = [ouOf(node.role), node.nodeId];
  if (node.role === "manager") own.push(CA_NAME);
  return [...new Set([...own, ...node.dnsNames])];
}

/** The URI of a node's certificates (SPIFFE ID §2). */
export function uriOf(
  node: Pick<LeafProfile, "clusterId" | "nodeId">,
): string {
  return `spiffe://${node.clusterId}/node/${node.nodeId}`;
}

/**
 * A serial number: 158 random bits. The first byte is 0x40 to 0x7f, so that the
 * number is positive and its encoding always has the same length.
 */
export function newSerial(random: Random): Bytes {
  const serial = random.bytes(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/**
 * Signs the certificate that a profile describes. The key must be the issuer's:
 * checking it would double the cost of an issue (0.67 ms of 1.3 ms).
 *
 * @returns the certificate, DER
 * @throws {RangeError} as {@linkcode encodeLeafTbs} does
 */
export async function issueLeaf(
  crypto: Crypto,
  order: LeafOrder & { readonly issuerKey: PrivateKey },
): Promise<Bytes> {
  const body = await encodeLeafTbs(crypto, order);
  const algorithm = signingAlgorithm(order.issuer.publicKeyType);
  return signed(crypto, { key: order.issuerKey, body, algorithm });
}

/** A leaf to be made, and who makes it. */
export interface LeafOrder {
  readonly profile: LeafProfile;
  readonly issuer: Certificate;
}

/**
 * The part of a leaf that is signed, with its issuer's `signingAlgorithm`.
 *
 * @throws {RangeError} when the profile is not one that a node may have
 */
export async function encodeLeafTbs(
  crypto: Crypto,
  { profile, issuer }: LeafOrder,
): Promise<Bytes> {
  checkProfile(profile);
  const issuerKeyId = issuer.subjectKeyId;
  return encodeTbs({
    ...profile,
    algorithm: signingAlgorithm(issuer.publicKeyType),
    issuer: issuer.subject.der,
    subject: encodeName(subjectOf(profile)),
    extensions: [
      LEAF_CONSTRAINTS,
      LEAF_KEY_USAGE,
      LEAF_PURPOSES,
      subjectKeyId(await keyIdOf(crypto, profile.spki)),
      // A foreign authority may be without a key identifier
      ...(issuerKeyId === undefined ? [] : [authorityKeyId(issuerKeyId)]),
      subjectAltName({
        dnsNames: dnsNamesOf(profile),
        ipAddresses: profile.ipAddresses,
        uris: [uriOf(profile)],
      }),
    ],
  });
}

/** What a certificate must say; what is left out may be anything. */
export interface LeafExpectation {
  readonly clusterId: string;
  readonly nodeId?: string;
  readonly roles: readonly Role[];
  readonly spki?: Bytes;
  readonly serial?: Bytes;
  /** Milliseconds since 1970. */
  readonly notBefore?: number;
  /** Milliseconds since 1970. */
  readonly notAfter?: number;
  /** A manager's further host names, in any order. */
  readonly dnsNames?: readonly string[];
  /** A manager's addresses, in any order. */
  readonly ipAddresses?: readonly string[];
}

/**
 * Compares a certificate, field by field, with what a node's must be. It does
 * not look at issuer, signature or the present time: that is `verifyChain`.
 *
 * @returns one sentence for each difference; none when all is well
 */
export function checkLeaf(
  leaf: Certificate,
  expected: LeafExpectation,
): string[] {
  return [...usageDifferences(leaf), ...identityDifferences(leaf, expected)];
}

function checkProfile(profile: LeafProfile): void {
  const { clusterId, nodeId, role, serial, notBefore, notAfter } = profile;
  for (const id of [clusterId, nodeId]) {
    if (!isId(id)) throw new RangeError(`Cannot certify id "${id}"`);
  }
  const [first = 0] = serial;
  if (serial.length !== SERIAL_BYTES || first === 0 || first >= 0x80) {
    throw new RangeError(
      "Cannot certify: the serial number is not of 20 bytes",
    );
  }
  if (notBefore >= notAfter) {
    throw new RangeError(`Cannot certify from ${notBefore} to ${notAfter}`);
  }
  const extra = [...profile.dnsNames, ...profile.ipAddresses];
  if (role === "worker" && extra.length > 0) {
    throw new RangeError("Cannot certify addresses of a worker");
  }
  const wrong = profile.dnsNames.find((name) => !isDnsName(name));
  if (wrong !== undefined) {
    throw new RangeError(`Cannot certify host name "${wrong}"`);
  }
}

function usageDifferences(leaf: Certificate): string[] {
  const { version, isCa, keyUsage, extendedKeyUsage, unknownCritical } = leaf;
  return [
    ...differs("version", [version], [3]),
    ...differs("CA", [isCa], [false]),
    ...differs("key usage", keyUsage ?? [], ["digitalSignature"]),
    ...differs("extended key usage", extendedKeyUsage ?? [], [
      "serverAuth",
      "clientAuth",
    ]),
    ...differs("unknown critical extensions", unknownCritical, []),
    ...differs("public key", [leaf.publicKeyType], ["p256"]),
  ];
}

function identityDifferences(
  leaf: Certificate,
  expected: LeafExpectation,
): string[] {
  const { commonName = "", organizationalUnit = "" } = leaf.subject;
  const role = roleOf(organizationalUnit);
  if (!role || !expected.roles.includes(role)) {
    return differs("OU", [organizationalUnit], expected.roles.map(ouOf));
  }
  const nodeId = expected.nodeId ?? commonName;
  if (!isId(nodeId)) return differs("CN", [nodeId], ["a node id"]);
  const node = { clusterId: expected.clusterId, nodeId, role };
  return [
    ...differs(
      "subject",
      leaf.subject.attributes.map(attributeText),
      subjectOf(node).map(attributeText),
    ),
    ...nameDifferences(leaf, { ...expected, ...node }),
    ...valueDifferences(leaf, expected),
  ];
}

function nameDifferences(
  leaf: Certificate,
  expected: LeafExpectation & { readonly nodeId: string; readonly role: Role },
): string[] {
  // Only a manager has names that its peers cannot know beforehand.
  const open = expected.role === "manager"
    ? leaf
    : { dnsNames: [], ipAddresses: [] };
  const { dnsNames = open.dnsNames, ipAddresses = open.ipAddresses } = expected;
  return [
    ...differs(
      "DNS names",
      leaf.dnsNames,
      dnsNamesOf({ ...expected, dnsNames }),
    ),
    ...differs(
      "IP addresses",
      leaf.ipAddresses,
      ipAddresses.map(canonicalIp),
    ),
    // It repeats the subject, and not every authority can certify one
    ...(leaf.uris.length === 0
      ? []
      : differs("URIs", leaf.uris, [uriOf(expected)])),
  ];
}

function valueDifferences(
  leaf: Certificate,
  expected: LeafExpectation,
): string[] {
  const { spki, serial, notBefore, notAfter } = expected;
  return [
    ...(spki && !equalBytes(spki, leaf.spki) ? ["key is another one"] : []),
    ...(serial ? differs("serial", [leaf.serial], [toHex(serial)]) : []),
    ...(notBefore === undefined ? [] : differs(
      "begin",
      [formatTime(leaf.notBefore)],
      [formatTime(notBefore)],
    )),
    ...(notAfter === undefined ? [] : differs(
      "end",
      [formatTime(leaf.notAfter)],
      [formatTime(notAfter)],
    )),
  ];
}

function attributeText([type, value]: NameAttribute): string {
  return `${type}=${value}`;
}

function canonicalIp(text: string): string {
  const bytes = parseIp(text);
  return bytes ? formatIp(bytes) : text;
}

/** A sentence, if two lists do not hold the same items, in any order. */
function differs(
  what: string,
  found: Iterable<unknown>,
  want: readonly unknown[],
): string[] {
  const sorted = (items: Iterable<unknown>) => Array.from(items, String).sort();
  const [is, should] = [sorted(found), sorted(want)];
  const same = is.length === should.length &&
    is.every((item, i) => item === should[i]);
  // Every handshake asks a dozen times, and next to always all is well.
  if (same) return [];
  return [
    `${what}: found ${JSON.stringify(is)}, want ${JSON.stringify(should)}`,
  ];
}
