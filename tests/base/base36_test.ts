import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  base36Width,
  decodeBase36,
  encodeBase36,
} from "../../lib/base/base36.ts";

Deno.test("base36Width() is the fewest digits that hold every value", () => {
  for (let bytes = 1; bytes <= 40; bytes++) {
    const values = 256n ** BigInt(bytes);
    const width = BigInt(base36Width(bytes));
    assertEquals(36n ** width >= values, true, `${bytes}`);
    assertEquals(36n ** (width - 1n) < values, true, `${bytes}`);
  }
  // Ids and join tokens count on these.
  assertEquals([16, 32].map(base36Width), [25, 50]);
});

Deno.test("encodeBase36() writes one big-endian number, padded", () => {
  const cases = [
    [[0], "00"],
    [[35], "0z"],
    [[36], "10"],
    [[255], "73"],
    [[1, 0], "0074"],
    [[0, 0, 1], "00001"],
  ] as const;
  for (const [bytes, text] of cases) {
    assertEquals(encodeBase36(new Uint8Array(bytes)), text);
  }
});

Deno.test("decodeBase36() reads what encodeBase36() writes", () => {
  const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(fc.property(anyBytes, (bytes) => {
    const text = encodeBase36(bytes);
    assertMatch(text, /^[0-9a-z]+$/);
    assertEquals(decodeBase36(text, bytes.length), new Uint8Array(bytes));
  }));
});

Deno.test("decodeBase36() accepts nothing that encodeBase36() does not write", () => {
  const anyText = fc.string({
    unit: fc.constantFrom(..."07azAZ-+ .é"),
    maxLength: 5,
  });
  fc.assert(fc.property(anyText, fc.integer({ min: 1, max: 3 }), (text, n) => {
    let bytes;
    try {
      bytes = decodeBase36(text, n);
    } catch (error) {
      assertEquals(error instanceof SyntaxError, true);
      return;
    }
    assertEquals(encodeBase36(bytes), text);
  }));
});

Deno.test("decodeBase36() refuses a wrong width, digit or value", () => {
  const cases = [
    ["", "digits"],
    ["0", "digits"],
    ["000", "digits"],
    ["0Z", "digits"],
    ["-1", "digits"],
    ["0 ", "digits"],
    ["74", "does not fit"], // 256
    ["zz", "does not fit"],
  ] as const;
  for (const [text, reason] of cases) {
    assertThrows(() => decodeBase36(text, 1), SyntaxError, reason, text);
  }
});
