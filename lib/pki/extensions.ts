import { type Bytes, toHex } from "../base/bytes.ts";
import { type DerReader, readDer, readText } from "./der_reader.ts";
import { formatIp } from "./host_names.ts";
import { OID } from "./oids.ts";

/** Names of the bits of KeyUsage, in their order (RFC 5280 §4.2.1.3). */
const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;

/** What a key may be used for. */
export type KeyUsage = typeof KEY_USAGES[number];

/** What the extensions of a certificate say. */
export interface ExtensionFacts {
  readonly isCa: boolean;
  /** How many CAs may stand between this one and a leaf. */
  readonly pathLength?: number;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** `serverAuth`, `clientAuth`, or a dotted object identifier. */
  readonly extendedKeyUsage?: readonly string[];
  readonly dnsNames: readonly string[];
  /** As {@linkcode formatIp} writes them. */
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
  /** Lower-case hex. */
  readonly subjectKeyId?: string;
  /** Lower-case hex. */
  readonly authorityKeyId?: string;
  /** Constraints that this program cannot honour: reason to refuse. */
  readonly unknownCritical: readonly string[];
}

type Facts = { -readonly [K in keyof ExtensionFacts]: ExtensionFacts[K] };

const MAX_EXTENSIONS = 64;
const MAX_ITEMS = 1_024;

const READERS: ReadonlyMap<string, (reader: DerReader, into: Facts) => void> =
  new Map([
    [OID.basicConstraints, readBasicConstraints],
    [OID.keyUsage, readKeyUsage],
    [OID.extendedKeyUsage, readExtendedKeyUsage],
    [OID.subjectAltName, readSubjectAltName],
    [OID.subjectKeyIdentifier, readSubjectKeyId],
    [OID.authorityKeyIdentifier, readAuthorityKeyId],
  ]);

/** What a certificate without extensions says. */
export const NO_EXTENSIONS: ExtensionFacts = {
  isCa: false,
  dnsNames: [],
  ipAddresses: [],
  uris: [],
  unknownCritical: [],
};

/**
 * Reads SEQUENCE OF Extension (RFC 5280 §4.1).
 *
 * @throws {SyntaxError} when one is malformed, or given twice (§4.2)
 */
export function readExtensions(reader: DerReader): ExtensionFacts {
  const facts: Facts = { ...NO_EXTENSIONS };
  const unknown: string[] = [];
  const seen = new Set<string>();
  const extensions = reader.sequenceOf(MAX_EXTENSIONS, readExtension);
  if (extensions.length === 0) {
    throw new SyntaxError("no extensions in the list");
  }
  for (const { type, critical, value } of extensions) {
    if (seen.has(type)) throw new SyntaxError(`extension ${type} twice`);
    seen.add(type);
    const read = READERS.get(type);
    if (read) readDer(value, (inner) => read(inner, facts));
    // RFC 5280 §4.2.1.10 wants name constraints critical; a CA that forgot it
    // meant them all the same.
    else if (critical || type === OID.nameConstraints) unknown.push(type);
  }
  return { ...facts, unknownCritical: unknown };
}

function readExtension(reader: DerReader) {
  return reader.sequence((inner) => ({
    type: inner.oid(),
    critical: inner.defaultFalse(),
    value: inner.octetString(),
  }));
}

function readBasicConstraints(reader: DerReader, into: Facts): void {
  reader.sequence((inner) => {
    into.isCa = inner.defaultFalse();
    if (inner.done) return;
    if (!into.isCa) throw new SyntaxError("a path length without CA");
    into.pathLength = inner.small();
  });
}

function readKeyUsage(reader: DerReader, into: Facts): void {
  const usages = reader.namedBits().map((bit) => KEY_USAGES[bit]);
  into.keyUsage = new Set(usages.filter((usage) => usage !== undefined));
}

function readExtendedKeyUsage(reader: DerReader, into: Facts): void {
  const purposes = reader.sequenceOf(MAX_ITEMS, (inner) => inner.oid());
  if (purposes.length === 0) throw new SyntaxError("an empty key purpose list");
  into.extendedKeyUsage = purposes.map((purpose) => {
    if (purpose === OID.serverAuth) return "serverAuth";
    return purpose === OID.clientAuth ? "clientAuth" : purpose;
  });
}

/** GeneralName tags that are read (RFC 5280 §4.2.1.6); others are passed by. */
const DNS_NAME = 0x82;
const URI = 0x86;
const IP_ADDRESS = 0x87;

function readSubjectAltName(reader: DerReader, into: Facts): void {
  const names = reader.sequenceOf(MAX_ITEMS, (inner) => inner.element());
  if (names.length === 0) throw new SyntaxError("an empty alternative name");
  const contents = (tag: number) =>
    names.filter((name) => name.tag === tag).map((name) => name.content);
  into.dnsNames = contents(DNS_NAME).map(readAscii);
  into.uris = contents(URI).map(readAscii);
  into.ipAddresses = contents(IP_ADDRESS).map(formatIp);
}

function readAscii(content: Bytes): string {
  const text = readText(content);
  if (text === "" || text.length !== content.length) {
    throw new SyntaxError("an alternative name that is not ASCII");
  }
  return text;
}

function readSubjectKeyId(reader: DerReader, into: Facts): void {
  into.subjectKeyId = toHex(reader.octetString());
}

function readAuthorityKeyId(reader: DerReader, into: Facts): void {
  reader.sequence((inner) => {
    if (inner.next === 0x80) {
      into.authorityKeyId = toHex(inner.content(0x80));
    }
    // The issuer's name and serial number beside it
    if (inner.next === 0xa1) inner.raw(0xa1);
    if (inner.next === 0x82) inner.raw(0x82);
  });
}
