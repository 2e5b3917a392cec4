import { type Bytes, utf8 } from "../base/bytes.ts";

/** Tags of the universal class, with the constructed bit (X.690 §8.1.2). */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const PRINTABLE_REGEXP = /^[A-Za-z0-9 '()+,\-./:=?]*$/;
const OID_REGEXP =
  /^(?:[01]\.[1-3]?\d|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/;
/** UTCTime ends with 2049 (RFC 5280 §4.1.2.5.1). */
const GENERALIZED_FROM = Date.UTC(2050, 0, 1);
const UTC_FROM = Date.UTC(1950, 0, 1);
const TIME_END = Date.UTC(10_000, 0, 1);

/** SEQUENCE of elements that are encoded already. */
export function sequence(...elements: readonly Uint8Array[]): Bytes {
  return element(TAG.sequence, elements);
}

/** SET OF: DER wants the elements in the order of their bytes. */
export function set(...elements: readonly Uint8Array[]): Bytes {
  return element(TAG.set, elements.toSorted(compareBytes));
}

/**
 * Non-negative INTEGER, from a number or from its big-endian bytes.
 *
 * @throws {RangeError} when the number is negative, fractional or unsafe
 */
export function integer(value: Uint8Array | number): Bytes {
  let bytes = typeof value === "number" ? bytesOfNumber(value) : value;
  let zeros = 0;
  while (zeros < bytes.length - 1 && bytes[zeros] === 0) zeros++;
  bytes = bytes.subarray(zeros);
  const negative = bytes.length === 0 || (bytes[0] ?? 0) >= 0x80;
  return element(TAG.integer, negative ? [Uint8Array.of(0), bytes] : [bytes]);
}

/**
 * OBJECT IDENTIFIER, from its dotted form.
 *
 * @throws {RangeError} when the text is none
 */
export function oid(dotted: string): Bytes {
  if (!OID_REGEXP.test(dotted)) {
    throw new RangeError(`Cannot encode object identifier "${dotted}"`);
  }
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const content = [first * 40 + second, ...rest].flatMap(base128);
  return element(TAG.oid, [Uint8Array.from(content)]);
}

/** OCTET STRING around bytes, or around elements that are encoded already. */
export function octetString(...parts: readonly Uint8Array[]): Bytes {
  return element(TAG.octetString, parts);
}

/** BIT STRING whose last so many bits (0 to 7) do not count. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Bytes {
  return element(TAG.bitString, [Uint8Array.of(unusedBits), bytes]);
}

/** UTF8String. */
export function utf8String(text: string): Bytes {
  return element(TAG.utf8String, [utf8(text)]);
}

/**
 * PrintableString.
 *
 * @throws {RangeError} when a character is outside of its set
 */
export function printableString(text: string): Bytes {
  if (!isPrintable(text)) {
    throw new RangeError(`Cannot encode "${text}" as a PrintableString`);
  }
  return element(TAG.printableString, [utf8(text)]);
}

/** Whether PrintableString can hold a text (X.680 §41.4). */
export function isPrintable(text: string): boolean {
  return PRINTABLE_REGEXP.test(text);
}

/** BOOLEAN TRUE: the value FALSE is a default wherever X.509 has a BOOLEAN. */
export function booleanTrue(): Bytes {
  return element(TAG.boolean, [Uint8Array.of(0xff)]);
}

/**
 * A moment, as UTCTime until 2049 and GeneralizedTime from 2050 on
 * (RFC 5280 §4.1.2.5).
 *
 * @param wallMs milliseconds since 1970, whole seconds, years 1950 to 9999
 * @throws {RangeError} when it is none of these
 */
export function time(wallMs: number): Bytes {
  if (
    wallMs % 1000 !== 0 || !(wallMs >= UTC_FROM) || !(wallMs < TIME_END)
  ) {
    throw new RangeError(
      `Cannot encode time ${wallMs}: want whole seconds in years 1950 to 9999`,
    );
  }
  const digits = new Date(wallMs).toISOString().replace(/\.000|[-:T]/g, "");
  return wallMs < GENERALIZED_FROM
    ? element(TAG.utcTime, [utf8(digits.slice(2))])
    : element(TAG.generalizedTime, [utf8(digits)]);
}

/** Context tag `[number]` around elements, EXPLICIT or constructed. */
export function explicit(
  number: number,
  ...elements: readonly Uint8Array[]
): Bytes {
  return element(0xa0 | number, elements);
}

/** Context tag `[number]` in place of a primitive type's own tag. */
export function implicit(number: number, content: Uint8Array): Bytes {
  return element(0x80 | number, [content]);
}

/** One element: tag, minimal length, contents. */
export function element(tag: number, parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const extra = length < 0x80 ? 0 : bytesOfNumber(length).length;
  const encoded = new Uint8Array(2 + extra + length);
  encoded[0] = tag;
  encoded[1] = extra === 0 ? length : 0x80 | extra;
  if (extra > 0) encoded.set(bytesOfNumber(length), 2);
  let at = 2 + extra;
  for (const part of parts) {
    // Most parts have a few bytes, where a loop beats a call of `set` by far.
    if (part.length > 32) encoded.set(part, at);
    else for (let i = 0; i < part.length; i++) encoded[at + i] = part[i] ?? 0;
    at += part.length;
  }
  return encoded;
}

/** Order of SET OF elements (X.690 §11.6): as bytes, the shorter one first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function bytesOfNumber(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Cannot encode integer ${value}`);
  }
  const bytes = [value % 256];
  for (let rest = Math.floor(value / 256); rest > 0;) {
    bytes.unshift(rest % 256);
    rest = Math.floor(rest / 256);
  }
  return Uint8Array.from(bytes);
}

function base128(arc: number): number[] {
  if (!Number.isSafeInteger(arc)) {
    throw new RangeError(`Cannot encode object identifier arc ${arc}`);
  }
  const digits = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0;) {
    digits.unshift(0x80 | (rest % 128));
    rest = Math.floor(rest / 128);
  }
  return digits;
}
