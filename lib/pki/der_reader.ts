import { type Bytes, equalBytes, fromUtf8 } from "../base/bytes.ts";
import { compareBytes, TAG, time } from "./der.ts";

/** X.509 nests about 10 deep; beyond it is an attack on the call stack. */
const MAX_DEPTH = 16;
/** Longest object identifier, in bytes. */
const MAX_OID_BYTES = 64;

/** One element as it stands in the input. */
export interface Element {
  readonly tag: number;
  readonly content: Bytes;
  /** Tag, length and contents. */
  readonly raw: Bytes;
}

/**
 * Reads one element that fills the bytes.
 *
 * @throws {SyntaxError} when the bytes are not DER, when bytes follow, or when
 * `read` leaves some unread
 */
export function readDer<T>(bytes: Bytes, read: (reader: DerReader) => T): T {
  const reader = new DerReader(bytes, 0);
  const value = read(reader);
  reader.finish();
  return value;
}

/**
 * A cursor over DER (X.690 §10, §11), strict: it takes nothing that
 * {@linkcode element} would not have written. Two encodings of one value would
 * let a certificate change its fingerprint while it means the same.
 *
 * Every method throws `SyntaxError` when the input is not as it wants.
 */
export class DerReader {
  readonly #bytes: Bytes;
  readonly #depth: number;
  #at = 0;

  /** @param depth how many elements the bytes are inside of */
  constructor(bytes: Bytes, depth: number) {
    if (depth > MAX_DEPTH) throw new SyntaxError("nested too deep");
    this.#bytes = bytes;
    this.#depth = depth;
  }

  /** Whether everything is read. */
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag that comes next, if any. */
  get next(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** Fails when something is left. */
  finish(): void {
    if (!this.done) throw new SyntaxError("bytes after the end of an element");
  }

  /** Any element. */
  element(): Element {
    const start = this.#at;
    const tag = this.next ?? 0;
    const content = this.#bytes.subarray(this.#enter(), this.#at);
    return { tag, content, raw: this.#bytes.subarray(start, this.#at) };
  }

  /** Contents of the element with a tag. */
  content(tag: number): Bytes {
    return this.#bytes.subarray(this.#enter(tag), this.#at);
  }

  /** The element with a tag, as it stands. */
  raw(tag: number): Bytes {
    const start = this.#at;
    this.#enter(tag);
    return this.#bytes.subarray(start, this.#at);
  }

  /** What `raw` gives, without moving on. */
  peek(tag: number): Bytes {
    const start = this.#at;
    const found = this.raw(tag);
    this.#at = start;
    return found;
  }

  /** Reads inside of a constructed element, to its end. */
  inside<T>(tag: number, read: (inner: DerReader) => T): T {
    const content = this.content(tag);
    const inner = new DerReader(content, this.#depth + 1);
    const value = read(inner);
    inner.finish();
    return value;
  }

  /** Reads inside of a SEQUENCE, to its end. */
  sequence<T>(read: (inner: DerReader) => T): T {
    return this.inside(TAG.sequence, read);
  }

  /** SEQUENCE OF, at most so many. */
  sequenceOf<T>(limit: number, read: (inner: DerReader) => T): T[] {
    return this.sequence((inner) => inner.all(limit, read));
  }

  /** SET OF, at most so many, in DER's order. */
  setOf<T>(limit: number, read: (inner: DerReader) => T): T[] {
    return this.inside(TAG.set, (inner) => {
      inner.#checkOrder();
      return inner.all(limit, read);
    });
  }

  /** Everything that is left, item by item, at most so many. */
  all<T>(limit: number, read: (inner: DerReader) => T): T[] {
    const items: T[] = [];
    while (!this.done) {
      if (items.length === limit) {
        throw new SyntaxError(`more than ${limit} elements`);
      }
      items.push(read(this));
    }
    return items;
  }

  /** What `read` gives inside of `[number]`, if that comes next. */
  optional<T>(number: number, read: (inner: DerReader) => T): T | undefined {
    const tag = 0xa0 | number;
    return this.next === tag ? this.inside(tag, read) : undefined;
  }

  /** Contents of a non-negative INTEGER, without its sign byte. */
  unsigned(): Bytes {
    const content = this.content(TAG.integer);
    const [first, second] = content;
    if (first === undefined) throw new SyntaxError("an empty integer");
    if (first >= 0x80) throw new SyntaxError("a negative integer");
    if (first !== 0 || second === undefined) return content;
    if (second < 0x80) throw new SyntaxError("an integer with a leading zero");
    return content.subarray(1);
  }

  /** A non-negative INTEGER below 2^31. */
  small(): number {
    const bytes = this.unsigned();
    const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    if (value >= 2 ** 31) throw new SyntaxError("an integer above 2^31");
    return value;
  }

  /** OBJECT IDENTIFIER, dotted. */
  oid(): string {
    const content = this.content(TAG.oid);
    const arcs = readArcs(content);
    const [head = 0] = arcs;
    const first = Math.min(Math.floor(head / 40), 2);
    return [first, head - first * 40, ...arcs.slice(1)].join(".");
  }

  /** A BOOLEAN with DEFAULT FALSE: DER writes it only where it is TRUE. */
  defaultFalse(): boolean {
    if (this.next !== TAG.boolean) return false;
    const content = this.content(TAG.boolean);
    if (content.length !== 1 || content[0] !== 0xff) {
      throw new SyntaxError(
        "a BOOLEAN that is not TRUE where FALSE is implied",
      );
    }
    return true;
  }

  /** Contents of an OCTET STRING. */
  octetString(): Bytes {
    return this.content(TAG.octetString);
  }

  /** BIT STRING of whole bytes. */
  bitString(): Bytes {
    const content = this.content(TAG.bitString);
    if (content[0] !== 0) throw new SyntaxError("a bit string of odd length");
    return content.subarray(1);
  }

  /** BIT STRING with named bits: the numbers of those that are set. */
  namedBits(): number[] {
    const content = this.content(TAG.bitString);
    const [unused = 8, ...bytes] = content;
    const last = bytes.at(-1) ?? 0;
    // X.690 §11.2.2: trailing zero bits are removed
    if (unused > 7 || ((last >> unused) & 1) !== 1 || last % 2 ** unused) {
      throw new SyntaxError(
        "a bit string with trailing zeros or wrong padding",
      );
    }
    return bytes.flatMap((byte, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> (7 - bit)) & 1)
        .map((bit) => i * 8 + bit)
    );
  }

  /** UTF-8 text without control characters, from an element with a tag. */
  text(tag: number): string {
    return readText(this.content(tag));
  }

  /** UTCTime or GeneralizedTime as RFC 5280 wants it, in milliseconds. */
  time(): number {
    const { tag, content, raw } = this.element();
    const digits = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(
      readText(content),
    );
    if (!digits) throw new SyntaxError("a malformed time");
    const [year = 0, month = 0, ...rest] = digits.slice(1).map(Number);
    const century = tag !== TAG.utcTime ? 0 : year < 50 ? 2000 : 1900;
    const [day = 0, hour = 0, minute = 0, second = 0] = rest;
    const wallMs = Date.UTC(
      century + year,
      month - 1,
      day,
      hour,
      minute,
      second,
    );
    // One encoding for each moment: this refuses 30 February, second 60, the
    // wrong type for the year and the wrong number of digits alike.
    if (!encodesTo(wallMs, raw)) throw new SyntaxError("a malformed time");
    return wallMs;
  }

  #checkOrder(): void {
    const inner = new DerReader(this.#bytes, this.#depth);
    let previous: Bytes | undefined;
    while (!inner.done) {
      const { raw } = inner.element();
      if (previous && compareBytes(previous, raw) > 0) {
        throw new SyntaxError("a set out of order");
      }
      previous = raw;
    }
  }

  /** Moves past an element; tells where its contents begin. */
  #enter(want?: number): number {
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw new SyntaxError("a tag above 30");
    if (want !== undefined && tag !== want) {
      throw new SyntaxError(`found tag ${hex(tag)}, want ${hex(want)}`);
    }
    const length = this.#length();
    const from = this.#at;
    if (length > this.#bytes.length - from) {
      throw new SyntaxError("an element is longer than what holds it");
    }
    this.#at += length;
    return from;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new SyntaxError("unexpected end");
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    // 3 bytes reach 16 MiB, more than any input; 0 is the indefinite form
    if (count < 1 || count > 3) throw new SyntaxError("a length out of bounds");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw new SyntaxError("a length that is not minimal");
    }
    return length;
  }
}

/**
 * UTF-8 without control characters: a name ends up in logs and terminals.
 *
 * @throws {SyntaxError} when the bytes are something else
 */
export function readText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch {
    throw new SyntaxError("text that is not UTF-8");
  }
  // The decoder drops a byte order mark: the text would not encode back.
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  if (marked || /\p{Cc}/u.test(text)) {
    throw new SyntaxError("text with a control character");
  }
  return text;
}

function readArcs(content: Bytes): number[] {
  const last = content.at(-1);
  if (last === undefined || last >= 0x80 || content.length > MAX_OID_BYTES) {
    throw new SyntaxError("a malformed object identifier");
  }
  const arcs: number[] = [];
  let value = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) {
      throw new SyntaxError("an object identifier that is not minimal");
    }
    value = value * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) {
      throw new SyntaxError("an object identifier arc above 2^53");
    }
    fresh = byte < 0x80;
    if (!fresh) continue;
    arcs.push(value);
    value = 0;
  }
  return arcs;
}

function encodesTo(wallMs: number, raw: Bytes): boolean {
  try {
    return equalBytes(time(wallMs), raw);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, "0")}`;
}
