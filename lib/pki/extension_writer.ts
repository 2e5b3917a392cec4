import { type Bytes, fromHex, utf8 } from "../base/bytes.ts";
import {
  bitString,
  booleanTrue,
  implicit,
  octetString,
  oid,
  sequence,
} from "./der.ts";
import { parseIp } from "./host_names.ts";
import { OID } from "./oids.ts";

const SUBJECT_KEY_ID = oid(OID.subjectKeyIdentifier);
const AUTHORITY_KEY_ID = oid(OID.authorityKeyIdentifier);
const SUBJECT_ALT_NAME = oid(OID.subjectAltName);

/** One Extension (RFC 5280 §4.1), around its encoded value. */
function extension(type: Bytes, value: Uint8Array): Bytes {
  return sequence(type, octetString(value));
}

/** An Extension that who does not know it must refuse. */
function critical(type: string, value: Uint8Array): Bytes {
  return sequence(oid(type), booleanTrue(), octetString(value));
}

/** CA:false is the default, so that the sequence is empty. */
export const LEAF_CONSTRAINTS = critical(OID.basicConstraints, sequence());
/** digitalSignature is bit 0. */
export const LEAF_KEY_USAGE = critical(
  OID.keyUsage,
  bitString(Uint8Array.of(0x80), 7),
);
/** Both purposes: nodes are servers and clients of each other. */
export const LEAF_PURPOSES = extension(
  oid(OID.extendedKeyUsage),
  sequence(oid(OID.serverAuth), oid(OID.clientAuth)),
);
/** CA:true, with no bound on what is below. */
export const CA_CONSTRAINTS = critical(
  OID.basicConstraints,
  sequence(booleanTrue()),
);
/** keyCertSign and cRLSign are bits 5 and 6. */
export const CA_KEY_USAGE = critical(
  OID.keyUsage,
  bitString(Uint8Array.of(0x06), 1),
);

/** SubjectKeyIdentifier (RFC 5280 §4.2.1.2). */
export function subjectKeyId(keyId: Bytes): Bytes {
  return extension(SUBJECT_KEY_ID, octetString(keyId));
}

/** AuthorityKeyIdentifier (RFC 5280 §4.2.1.1), from its hex. */
export function authorityKeyId(keyId: string): Bytes {
  return extension(
    AUTHORITY_KEY_ID,
    sequence(implicit(0, fromHex(keyId))),
  );
}

/**
 * SubjectAltName (RFC 5280 §4.2.1.6).
 *
 * @throws {RangeError} when an address is none
 */
export function subjectAltName(names: {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
}): Bytes {
  return extension(
    SUBJECT_ALT_NAME,
    sequence(
      ...names.dnsNames.map((name) => implicit(2, utf8(name))),
      ...names.ipAddresses.map((text) => implicit(7, ipBytes(text))),
      ...names.uris.map((uri) => implicit(6, utf8(uri))),
    ),
  );
}

function ipBytes(text: string): Bytes {
  const bytes = parseIp(text);
  if (!bytes) throw new RangeError(`Cannot certify IP address "${text}"`);
  return bytes;
}
