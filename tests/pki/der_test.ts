import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import {
  bitString,
  booleanTrue,
  element,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  TAG,
  time,
  utf8String,
} from "../../lib/pki/der.ts";
import { DerReader, readDer } from "../../lib/pki/der_reader.ts";
import { OID } from "../../lib/pki/oids.ts";

Deno.test("writer gives the bytes that X.690 prescribes", () => {
  const table: [string, Uint8Array, string][] = [
    ["integer 0", integer(0), "020100"],
    ["integer 127", integer(127), "02017f"],
    ["integer 128", integer(128), "02020080"],
    ["integer 65536", integer(65536), "0203010000"],
    ["integer 2^53-1", integer(2 ** 53 - 1), "02071fffffffffffff"],
    ["integer bytes, zeros", integer(fromHex("0000ff")), "020200ff"],
    ["integer no bytes", integer(new Uint8Array()), "020100"],
    ["TRUE", booleanTrue(), "0101ff"],
    ["oid", oid("1.2.840.113549"), "06062a864886f70d"],
    ["oid 2.999", oid("2.999.3"), "0603883703"],
    ["octets", octetString(fromHex("0102")), "04020102"],
    ["bits", bitString(fromHex("06"), 1), "03020106"],
    ["utf8", utf8String("ä"), "0c02c3a4"],
    ["printable", printableString("42"), "13023432"],
    ["empty sequence", sequence(), "3000"],
    ["explicit", explicit(3, integer(2)), "a303020102"],
    ["implicit", implicit(2, fromHex("61")), "820161"],
    ["set in order", set(integer(2), integer(1)), "3106020101020102"],
    ["length 127", octetString(new Uint8Array(127)).subarray(0, 2), "047f"],
    ["length 128", octetString(new Uint8Array(128)).subarray(0, 3), "048180"],
    [
      "length 65536",
      octetString(new Uint8Array(65536)).subarray(0, 5),
      "0483010000",
    ],
  ];
  for (const [what, bytes, hex] of table) assertEquals(toHex(bytes), hex, what);
});

Deno.test("time() changes its type at 2050, as RFC 5280 §4.1.2.5 wants", () => {
  const table: [number, string][] = [
    [Date.UTC(1950, 0, 1), "UTC 500101000000Z"],
    [Date.UTC(2049, 11, 31, 23, 59, 59), "UTC 491231235959Z"],
    [Date.UTC(2050, 0, 1), "Generalized 20500101000000Z"],
    [Date.UTC(9999, 11, 31, 23, 59, 59), "Generalized 99991231235959Z"],
  ];
  for (const [wallMs, want] of table) {
    const encoded = time(wallMs);
    const type = encoded[0] === TAG.utcTime ? "UTC" : "Generalized";
    const digits = new TextDecoder().decode(encoded.subarray(2));
    assertEquals(`${type} ${digits}`, want);
    assertEquals(readDer(encoded, (reader) => reader.time()), wallMs);
  }
});

Deno.test("writer throws RangeError for what has no encoding", () => {
  const table: [string, () => unknown][] = [
    ["negative", () => integer(-1)],
    ["fraction", () => integer(1.5)],
    ["oid of one arc", () => oid("1")],
    ["oid 3.1", () => oid("3.1")],
    ["oid 1.40", () => oid("1.40")],
    ["oid with a leading zero", () => oid("1.2.03")],
    ["oid arc above 2^53", () => oid("2.25.99999999999999999999")],
    ["printable @", () => printableString("a@b")],
    ["half a second", () => time(500)],
    ["NaN", () => time(NaN)],
    ["1949", () => time(Date.UTC(1949, 11, 31))],
    ["10000", () => time(Date.UTC(10000, 0, 1))],
  ];
  for (const [what, write] of table) assertThrows(write, RangeError, "", what);
});

type Read = (reader: DerReader) => unknown;
const skip: Read = (reader) => reader.element();

Deno.test("DerReader refuses what the writer would not write", () => {
  const table: [what: string, hex: string, read: Read][] = [
    ["nothing", "", skip],
    ["tag alone", "30", skip],
    ["tag above 30", "1f8101", skip],
    ["indefinite length", "3080020100" + "0000", skip],
    ["length in long form below 128", "04810161", skip],
    ["length with a leading zero", "04820080" + "61".repeat(128), skip],
    ["length of four bytes", "048400000001" + "61", skip],
    ["length cut off", "0482", skip],
    ["contents cut off", "040261", skip],
    ["bytes behind", "02010000", skip],
    ["another tag", "0401ff", (r) => r.unsigned()],
    ["element left in a sequence", "3003020100", (r) => r.sequence(() => 0)],
    ["child longer than its parent", "30030202ff", (r) => r.sequence(skip)],
    ["empty integer", "0200", (r) => r.unsigned()],
    ["negative integer", "0201ff", (r) => r.unsigned()],
    ["integer with a leading zero", "02020001", (r) => r.unsigned()],
    ["small above 2^31", "02050080000000", (r) => r.small()],
    ["FALSE in place of a default", "010100", (r) => r.defaultFalse()],
    ["TRUE as 01", "010101", (r) => r.defaultFalse()],
    ["TRUE of two bytes", "0102ffff", (r) => r.defaultFalse()],
    ["empty oid", "0600", (r) => r.oid()],
    ["oid cut off", "06022a86", (r) => r.oid()],
    ["oid with a leading 80", "06032a8001", (r) => r.oid()],
    ["oid arc above 2^53", "060a2affffffffffffffff7f", (r) => r.oid()],
    ["oid of 65 bytes", "0641" + "01".repeat(65), (r) => r.oid()],
    ["bit string without a count", "0300", (r) => r.bitString()],
    ["bit string of odd length", "03020780", (r) => r.bitString()],
    ["no named bit", "030100", (r) => r.namedBits()],
    ["named bits with zeros", "03020080", (r) => r.namedBits()],
    ["named bits, zero byte", "0303008000", (r) => r.namedBits()],
    ["named bits, dirty padding", "03020781", (r) => r.namedBits()],
    ["named bits, 8 unused", "03020880", (r) => r.namedBits()],
    ["set out of order", "3106020102020101", (r) => r.setOf(9, skip)],
    ["text not UTF-8", "0c01ff", (r) => r.text(TAG.utf8String)],
    ["text overlong", "0c02c080", (r) => r.text(TAG.utf8String)],
    ["text with NUL", "0c036100" + "62", (r) => r.text(TAG.utf8String)],
    ["text with a mark", "0c03efbbbf", (r) => r.text(TAG.utf8String)],
    ["too many", "3006020100020100", (r) => r.sequenceOf(1, skip)],
  ];
  for (const [what, hex, read] of table) {
    assertThrows(() => readDer(fromHex(hex), read), SyntaxError, "", what);
  }
});

Deno.test("DerReader refuses times that do not exist or have two forms", () => {
  const wrong: [tag: number, digits: string][] = [
    [TAG.utcTime, "260230000000Z"],
    [TAG.utcTime, "261301000000Z"],
    [TAG.utcTime, "260101240000Z"],
    [TAG.utcTime, "260101000060Z"],
    [TAG.utcTime, "2601010000Z"],
    [TAG.utcTime, "260101000000+0000"],
    [TAG.utcTime, "20260101000000Z"],
    [TAG.generalizedTime, "20260101000000Z"],
    [TAG.generalizedTime, "20500101000000.5Z"],
    [TAG.generalizedTime, "500101000000Z"],
    [TAG.utf8String, "260101000000Z"],
  ];
  for (const [tag, digits] of wrong) {
    const bytes = element(tag, [new TextEncoder().encode(digits)]);
    assertThrows(
      () => readDer(bytes, (reader) => reader.time()),
      SyntaxError,
      "",
      digits,
    );
  }
});

Deno.test("DerReader stops at 16 levels of nesting", () => {
  const dive = (reader: DerReader): number =>
    reader.sequence((inner) => inner.done ? 1 : 1 + dive(inner));
  let nested = sequence();
  for (let i = 1; i < 16; i++) nested = sequence(nested);
  assertEquals(readDer(nested, dive), 16);
  assertThrows(() => readDer(sequence(nested), dive), SyntaxError, "deep");
});

Deno.test("DerReader reads back every integer, oid, bit set and time", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(fc.property(bytes, (value) => {
    const read = readDer(integer(value), (reader) => reader.unsigned());
    assertEquals(BigInt(`0x${toHex(read)}`), BigInt(`0x${toHex(value)}`));
    assertEquals(integer(read), integer(value));
  }));
  const arcs = fc.array(fc.maxSafeNat(), { maxLength: 6 });
  fc.assert(fc.property(fc.nat(39), arcs, (second, rest) => {
    for (const first of [0, 1, 2]) {
      const dotted = [first, second, ...rest].join(".");
      assertEquals(readDer(oid(dotted), (reader) => reader.oid()), dotted);
    }
  }));
  const seconds = fc.integer({ min: -631152000, max: 253402300799 });
  fc.assert(fc.property(seconds, (at) => {
    assertEquals(readDer(time(at * 1000), (r) => r.time()), at * 1000);
  }));
  fc.assert(fc.property(fc.nat(8), (bit) => {
    const value = new Uint8Array(1 + (bit >> 3));
    value[bit >> 3] = 0x80 >> (bit & 7);
    const encoded = bitString(value, 7 - (bit & 7));
    assertEquals(readDer(encoded, (reader) => reader.namedBits()), [bit]);
  }));
});

Deno.test("DerReader gives any bytes back unchanged or throws SyntaxError", () => {
  const input = fc.uint8Array({ maxLength: 24 });
  const kinds: ((reader: DerReader) => Uint8Array)[] = [
    (reader) => {
      const { tag, content } = reader.element();
      return element(tag, [content]);
    },
    (reader) => integer(reader.unsigned()),
    (reader) => oid(reader.oid()),
    (reader) => time(reader.time()),
    (reader) => utf8String(reader.text(TAG.utf8String)),
    (reader) => octetString(reader.octetString()),
    (reader) => bitString(reader.bitString()),
  ];
  const tag = fc.constantFrom(2, 3, 4, 6, 12, 23, 24);
  fc.assert(
    fc.property(tag, input, fc.boolean(), (first, rest, framed) => {
      const own = Uint8Array.from(rest);
      const bytes = framed
        ? element(first, [own])
        : Uint8Array.from([first, ...own]);
      for (const read of kinds) {
        try {
          assertEquals(readDer(bytes, read), bytes);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("OID holds only identifiers that can be written", () => {
  for (const dotted of Object.values(OID)) {
    assertEquals(readDer(oid(dotted), (reader) => reader.oid()), dotted);
  }
});
