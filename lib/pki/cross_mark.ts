import { type Bytes, fromHex, toHex } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import {
  booleanTrue,
  integer,
  octetString,
  oid,
  sequence,
  TAG,
  utf8String,
} from "./der.ts";
import { type DerReader, readDer } from "./der_reader.ts";
import { refuseMalformed } from "./malformed.ts";

/**
 * The private extension by which a cross-signed certificate says for whom it
 * was made. Under an arc that is not registered: it means something inside of
 * a cluster only, is never critical, and other programs pass it by.
 *
 * ```asn1
 * CrossMark ::= SEQUENCE {
 *   clusterId   UTF8String,
 *   generation  INTEGER,
 *   root        OCTET STRING (SIZE(32)),  -- SHA-256 of the root's own DER
 *   successor   BOOLEAN DEFAULT FALSE }
 * ```
 */
export const CROSS_MARK_OID = "1.3.6.1.4.1.59999.1.1";

const MARK_TYPE = oid(CROSS_MARK_OID);
const FINGERPRINT_BYTES = 32;
const MAX_EXTENSIONS = 64;

/** What a root vouches for when it signs the next one. */
export interface CrossMark {
  readonly clusterId: string;
  /** Of the root that is vouched for; 1 to 2^31 - 1. */
  readonly generation: number;
  /**
   * SHA-256 of that root's own certificate, lower-case hex. Name and key alone
   * would let whoever carries the certificate choose its dates and bounds.
   */
  readonly root: string;
  /**
   * Whether it may be believed on a connection that proves nothing. Only what a
   * finished rotation publishes is: a root that was abandoned never becomes one
   * that nodes follow, even if its key was stolen before it was destroyed.
   */
  readonly successor: boolean;
}

/**
 * The extension, encoded.
 *
 * @throws {RangeError} when the generation is out of its range
 * @throws {SyntaxError} when the fingerprint is not hexadecimal
 */
export function crossMark(mark: CrossMark): Bytes {
  const { clusterId, generation, root, successor } = mark;
  if (
    !Number.isInteger(generation) || generation < 1 || generation >= 2 ** 31
  ) {
    throw new RangeError(`Cannot mark a root of generation ${generation}`);
  }
  const value = sequence(
    utf8String(clusterId),
    integer(generation),
    octetString(fromHex(root)),
    ...(successor ? [booleanTrue()] : []),
  );
  return sequence(MARK_TYPE, octetString(value));
}

/**
 * The mark that a certificate carries; `undefined` when there is none. It says
 * nothing until the signature was checked.
 *
 * @throws {SwarmdError} `bad-message` when it is malformed
 */
export function readCrossMark(
  certificate: Pick<Certificate, "tbs">,
): CrossMark | undefined {
  return refuseMalformed(
    { what: "cross-signature", code: "bad-message" },
    () => readDer(certificate.tbs, (tbs) => tbs.sequence(readMarkOf)),
  );
}

/** What stands before the extensions was read with the certificate. */
function readMarkOf(body: DerReader): CrossMark | undefined {
  let mark: CrossMark | undefined;
  while (!body.done) {
    const extensions = body.optional(
      3,
      (list) => list.sequenceOf(MAX_EXTENSIONS, readExtension),
    );
    if (extensions) mark = extensions.find((each) => each !== undefined);
    else body.element();
  }
  return mark;
}

function readExtension(reader: DerReader): CrossMark | undefined {
  return reader.sequence((inner) => {
    const type = inner.oid();
    inner.defaultFalse();
    const value = inner.octetString();
    return type === CROSS_MARK_OID ? readDer(value, readValue) : undefined;
  });
}

function readValue(reader: DerReader): CrossMark {
  return reader.sequence((inner) => {
    const clusterId = inner.text(TAG.utf8String);
    const generation = inner.small();
    const print = inner.octetString();
    if (generation < 1) throw new SyntaxError("a root of generation 0");
    if (print.length !== FINGERPRINT_BYTES) {
      throw new SyntaxError("a fingerprint that is not of 32 bytes");
    }
    const successor = inner.defaultFalse();
    return { clusterId, generation, root: toHex(print), successor };
  });
}
