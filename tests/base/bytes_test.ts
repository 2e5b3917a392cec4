import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  concat,
  equalBytes,
  fromBase64,
  fromHex,
  fromUtf8,
  toBase64,
  toHex,
  utf8,
} from "../../lib/base/bytes.ts";

const anyBytes = fc.uint8Array({ maxLength: 40 })
  .map((bytes) => new Uint8Array(bytes));

Deno.test("fromUtf8() reads what utf8() writes, unchanged", () => {
  const anyText = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(fc.property(anyText, (text) => {
    assertEquals(fromUtf8(utf8(text)), text);
  }));
});

Deno.test("fromUtf8() keeps a byte order mark, so that texts stay distinct", () => {
  const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0x61]);
  assertEquals(fromUtf8(bytes), "\ufeffa");
  assertEquals(utf8(fromUtf8(bytes)), bytes);
});

Deno.test("fromUtf8() refuses what is not well-formed", () => {
  const malformed = [
    [0x80],
    [0xc3],
    [0xc0, 0x80], // overlong NUL
    [0xed, 0xa0, 0x80], // a surrogate
    [0xf5, 0x80, 0x80, 0x80], // beyond U+10FFFF
  ];
  for (const bytes of malformed) {
    assertThrows(() => fromUtf8(new Uint8Array(bytes)), TypeError);
  }
});

Deno.test("toHex() writes two lower-case digits a byte", () => {
  assertEquals(toHex(new Uint8Array([0, 10, 255])), "000aff");
  assertEquals(toHex(new Uint8Array()), "");
});

Deno.test("fromHex() reads what toHex() writes, in either case", () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    assertEquals(fromHex(toHex(bytes)), bytes);
    assertEquals(fromHex(toHex(bytes).toUpperCase()), bytes);
  }));
});

Deno.test("fromHex() refuses what is not pairs of digits", () => {
  for (const text of ["0", "0g", "0x00", " 00", "00\n", "-1", "０0"]) {
    assertThrows(() => fromHex(text), SyntaxError, "hexadecimal", text);
  }
});

Deno.test("toBase64() agrees with the vectors of RFC 4648 section 10", () => {
  const vectors = [
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ] as const;
  for (const [text, base64] of vectors) {
    assertEquals(toBase64(utf8(text)), base64);
    assertEquals(fromBase64(base64), utf8(text));
  }
});

Deno.test("fromBase64() reads what toBase64() writes", () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    assertEquals(fromBase64(toBase64(bytes)), bytes);
  }));
});

Deno.test("fromBase64() refuses every other spelling of the same bytes", () => {
  const spellings = [
    "Zg", // no padding
    "Zg=",
    "Zh==", // bits that are dropped
    "Zm9v\n",
    " Zm9v",
    "Zm 9v",
    "Zm9v====",
    "_-__", // the alphabet of URLs
    "Zm9",
  ];
  for (const text of spellings) {
    assertThrows(() => fromBase64(text), SyntaxError, "base64", text);
  }
});

Deno.test("fromBase64() accepts nothing that it would not write", () => {
  const anyText = fc.string({
    unit: fc.constantFrom(..."AZaz09+/=-_ "),
    maxLength: 8,
  });
  fc.assert(fc.property(anyText, (text) => {
    const bytes = accepted(() => fromBase64(text));
    if (bytes) assertEquals(toBase64(bytes), text);
  }));
});

Deno.test("concat() joins into a new byte string", () => {
  const part = new Uint8Array([1, 2]);
  const joined = concat(part, new Uint8Array(), new Uint8Array([3]));
  assertEquals(joined, new Uint8Array([1, 2, 3]));
  joined[0] = 9;
  assertEquals(part, new Uint8Array([1, 2]));
  assertEquals(concat(), new Uint8Array());
});

Deno.test("equalBytes() compares length and content", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  assertEquals(equalBytes(bytes, bytes.slice()), true);
  assertEquals(equalBytes(new Uint8Array(), new Uint8Array()), true);
  for (const other of [[1, 2], [1, 2, 3, 0], [1, 2, 4], [0, 2, 3], []]) {
    assertFalse(equalBytes(bytes, new Uint8Array(other)), `${other}`);
  }
});

function accepted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
