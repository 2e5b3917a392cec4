import type { Bytes } from "../base/bytes.ts";
import { encodeAlgorithm } from "./algorithms.ts";
import type { Certificate } from "./certificate.ts";
import { CrlEntryWriter, type RevokedCertificate } from "./crl_entries.ts";
import type { SignatureAlgorithm } from "./crypto.ts";
import {
  bitString,
  element,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
  TAG,
  time,
} from "./der.ts";
import { authorityKeyId } from "./extension_writer.ts";
import { OID } from "./oids.ts";

/** Entries that are encoded in one go, in about half a millisecond. */
export const CRL_SLICE = 500;

/** A revocation list to be made, and who makes it. */
export interface CrlOrder {
  /** The certificate that the listed ones were signed with. */
  readonly issuer: Certificate;
  /** What `sign` signs with. */
  readonly algorithm: SignatureAlgorithm;
  /** CRL number: grows from each list of an issuer to its next. */
  readonly number: number;
  /** Milliseconds since 1970, whole seconds. */
  readonly thisUpdate: number;
  /** By when a newer list exists; milliseconds since 1970, whole seconds. */
  readonly nextUpdate: number;
  /** Read slice by slice: it must not change meanwhile. */
  readonly revoked: Iterable<RevokedCertificate>;
  /** Lets others run; called after each slice of {@linkcode CRL_SLICE}. */
  pause(): Promise<void>;
  /** Gives the signature of the issuer's key over bytes. */
  sign(tbs: Bytes): Promise<Bytes>;
}

/** A revocation list. */
export interface Crl {
  readonly der: Bytes;
  /** A part of it, which tells lists apart. */
  readonly signature: Bytes;
}

const VERSION_2 = integer(1);

/**
 * Makes a signed revocation list of version 2 (RFC 5280 §5.1). With 50,000
 * entries it has 2.7 MB.
 *
 * @throws {RangeError} when a moment is not in whole seconds, a serial number
 * is longer than 20 bytes, or the number is not a safe integer
 * @throws {SyntaxError} when a serial number is not hex
 */
export async function createCrl(order: CrlOrder): Promise<Crl> {
  const algorithm = encodeAlgorithm(order.algorithm);
  const tbs = sequence(
    VERSION_2,
    algorithm,
    order.issuer.subject.der,
    time(order.thisUpdate),
    time(order.nextUpdate),
    ...await encodeRevoked(order),
    explicit(0, encodeExtensions(order)),
  );
  await order.pause();
  const signature = await order.sign(tbs);
  const der = sequence(tbs, algorithm, bitString(signature));
  return { der, signature };
}

/** RFC 5280 §5.1.2.6: absent, not empty, when nothing is revoked. */
async function encodeRevoked(
  { revoked, pause }: Pick<CrlOrder, "revoked" | "pause">,
): Promise<Bytes[]> {
  const writer = new CrlEntryWriter();
  const slices: Bytes[] = [];
  let slice: RevokedCertificate[] = [];
  for (const each of revoked) {
    slice.push(each);
    if (slice.length < CRL_SLICE) continue;
    slices.push(writer.encode(slice));
    slice = [];
    await pause();
  }
  if (slice.length > 0) slices.push(writer.encode(slice));
  return slices.length === 0 ? [] : [element(TAG.sequence, slices)];
}

function encodeExtensions({ issuer, number }: CrlOrder): Bytes {
  const { subjectKeyId } = issuer;
  return sequence(
    // A foreign authority may be without a key identifier
    ...(subjectKeyId === undefined ? [] : [authorityKeyId(subjectKeyId)]),
    sequence(oid(OID.crlNumber), octetString(integer(number))),
  );
}
