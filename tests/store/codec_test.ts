import {
  assert,
  assertEquals,
  assertFalse,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  decodeRecord,
  encodeRecord,
  freezeJson,
} from "../../lib/store/codec.ts";

Deno.test("decodeRecord() reads back whatever encodeRecord() writes, frozen", () => {
  const record = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(fc.property(record, (value) => {
    freezeJson(value, "value");
    const read = decodeRecord(encodeRecord(value));
    assertEquals(JSON.stringify(read), JSON.stringify(value));
    assert(isFrozen(read));
  }));
});

Deno.test("decodeRecord() refuses what is not the text of an object", () => {
  for (const text of ["", "{", "null", "1", '"a"', "[]", "[{}]", "{} {}"]) {
    assertThrows(() => decodeRecord(text), SyntaxError, "Cannot read record");
  }
  for (const value of [undefined, null, 1, new Uint8Array(2)]) {
    assertThrows(() => decodeRecord(value), SyntaxError, "Cannot read record");
  }
});

Deno.test("decodeRecord() does not quote the text in its error", () => {
  const error = assertThrows(
    () => decodeRecord('{"key": SECRET}'),
    SyntaxError,
  );
  assertFalse(Deno.inspect(error).includes("SECRET"));
});

Deno.test("freezeJson() freezes in depth, frozen parts included", () => {
  const inner = { list: [{ a: 1 }] };
  const value = { inner: Object.freeze(inner) };
  freezeJson(value, "value");
  assert(isFrozen(value));
});

Deno.test("freezeJson() names the part that JSON cannot carry", () => {
  const error = assertThrows(
    () => freezeJson({ a: [{ b: new Date(0) }] }, "node"),
    TypeError,
  );
  assertStringIncludes(error.message, "node.a[].b: it is Date");
});

function isFrozen(value: unknown): boolean {
  return Object.isFrozen(value) &&
    (typeof value !== "object" || value === null ||
      Object.values(value).every(isFrozen));
}
