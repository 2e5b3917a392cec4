import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fromHex, toHex, utf8 } from "../../lib/base/bytes.ts";
import { element, oid, sequence, set, utf8String } from "../../lib/pki/der.ts";
import { readDer } from "../../lib/pki/der_reader.ts";
import {
  encodeName,
  formatName,
  type NameAttribute,
  readName,
} from "../../lib/pki/names.ts";
import { OID } from "../../lib/pki/oids.ts";

const read = (der: Parameters<typeof readDer>[0]) => readDer(der, readName);

Deno.test("readName() gives back what encodeName() wrote", () => {
  const text = fc.string({ minLength: 1, maxLength: 30, unit: "grapheme" })
    .filter((value) => !/\p{Cc}|^\ufeff/u.test(value) && value.isWellFormed());
  const type = fc.constantFrom(
    OID.commonName,
    OID.organization,
    OID.organizationalUnit,
    OID.serialNumber,
    "1.2.3.4",
  );
  fc.assert(fc.property(fc.array(fc.tuple(type, text)), (attributes) => {
    const der = encodeName(attributes);
    const name = read(der);
    assertEquals(name.attributes, attributes);
    assertEquals(name.der, der);
  }));
});

Deno.test("readName() sets a shortcut only where an attribute stands once", () => {
  const one: NameAttribute[] = [[OID.commonName, "a"], [OID.organization, "o"]];
  assertEquals(read(encodeName(one)).commonName, "a");
  const two = read(encodeName([...one, [OID.commonName, "b"]]));
  assertEquals(two.commonName, undefined);
  assertEquals(two.organization, "o");
  assertEquals(two.organizationalUnit, undefined);
});

Deno.test("encodeName() writes the serial number attribute as PrintableString", () => {
  assertEquals(
    toHex(encodeName([[OID.serialNumber, "2"]])),
    "300c310a3008060355040513" + "0132",
  );
});

Deno.test("readName() shows uncommon types as hex and refuses broken ones", () => {
  const value = (tag: number, bytes: Uint8Array) =>
    sequence(set(sequence(oid(OID.commonName), element(tag, [bytes]))));
  assertEquals(
    read(value(0x1e, fromHex("0041"))).commonName,
    "#1e020041",
  );
  const broken: [string, ReturnType<typeof sequence>][] = [
    ["NUL in a name", value(0x0c, utf8("a\0b"))],
    ["escape sequence", value(0x0c, utf8("a\x1b[2Jb"))],
    ["PrintableString with @", value(0x13, utf8("a@b"))],
    ["IA5String with ä", value(0x16, utf8("ä"))],
    ["empty step", sequence(set())],
    ["33 steps", encodeName(Array(33).fill([OID.commonName, "a"]))],
    [
      "attribute of three parts",
      sequence(set(sequence(oid("1.2"), utf8String("a"), utf8String("b")))),
    ],
  ];
  for (const [what, der] of broken) {
    assertThrows(() => read(der), SyntaxError, "", what);
  }
});

Deno.test("formatName() is readable and bounded", () => {
  const name = read(encodeName([
    [OID.organization, "o"],
    [OID.commonName, "c"],
    ["1.2.3", "v"],
  ]));
  assertEquals(formatName(name), "O=o, CN=c, 1.2.3=v");
  const long = read(encodeName([[OID.commonName, "x".repeat(5_000)]]));
  assertEquals(formatName(long).length, 121);
});
