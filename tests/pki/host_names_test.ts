import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { toHex } from "../../lib/base/bytes.ts";
import { formatIp, isDnsName, parseIp } from "../../lib/pki/host_names.ts";

Deno.test("parseIp() reads addresses and nothing else", () => {
  const table: [text: string, hex: string | undefined][] = [
    ["10.0.0.5", "0a000005"],
    ["255.255.255.255", "ffffffff"],
    ["0.0.0.0", "00000000"],
    ["::", "0".repeat(32)],
    ["::1", "0".repeat(31) + "1"],
    ["1::", "0001" + "0".repeat(28)],
    ["fe80::1", "fe80" + "0".repeat(27) + "1"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["2001:DB8::A", "20010db800000000000000000000000a"],
    ["::ffff:10.0.0.5", "0".repeat(20) + "ffff0a000005"],
    ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
    ["", undefined],
    ["10.0.0", undefined],
    ["10.0.0.5.", undefined],
    ["10.0.0.05", undefined],
    ["10.0.0.256", undefined],
    ["10.0.0.5 ", undefined],
    ["0x7f.0.0.1", undefined],
    ["2130706433", undefined],
    [":", undefined],
    [":::", undefined],
    ["1::2::3", undefined],
    ["1:2:3:4:5:6:7", undefined],
    ["1:2:3:4:5:6:7:8:9", undefined],
    ["1:2:3:4:5:6:7:8::", undefined],
    ["12345::", undefined],
    ["1.2.3.4::", undefined],
    ["::1.2.3", undefined],
    ["::1.2.3.4:5", undefined],
    ["fe80::1%eth0", undefined],
    ["[::1]", undefined],
    ["1:2:3:4:5:6:7:8:1.2.3.4", undefined],
  ];
  for (const [text, hex] of table) {
    const bytes = parseIp(text);
    assertEquals(bytes && toHex(bytes), hex, `"${text}"`);
  }
});

Deno.test("formatIp() writes the canonical form of RFC 5952 §4", () => {
  const table: [text: string, canonical: string][] = [
    ["2001:0db8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["10.0.0.5", "10.0.0.5"],
  ];
  for (const [text, canonical] of table) {
    assertEquals(formatIp(parseIp(text) ?? new Uint8Array()), canonical);
  }
  assertThrows(() => formatIp(new Uint8Array(5)), SyntaxError);
});

Deno.test("parseIp() reads back whatever formatIp() writes", () => {
  const sparse = fc.array(fc.constantFrom(0, 0, 0, 1, 0xff), {
    minLength: 16,
    maxLength: 16,
  });
  const v4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
  fc.assert(fc.property(fc.oneof(sparse, v4), (bytes) => {
    assertEquals(
      parseIp(formatIp(Uint8Array.from(bytes))),
      Uint8Array.from(bytes),
    );
  }));
});

Deno.test("isDnsName() takes host names and no addresses or wildcards", () => {
  const good = ["a", "host", "a-b.example", "1host.x", "x".repeat(63), "A.B"];
  const bad = [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    "a_b",
    "*.a",
    "ä",
    "a b",
    "10.0.0.5",
    "x".repeat(64),
    "a.".repeat(127) + "a",
  ];
  for (const name of good) assert(isDnsName(name), name);
  for (const name of bad) assertFalse(isDnsName(name), name);
});
