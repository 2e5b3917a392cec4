import { assertEquals } from "@std/assert";
import { printable } from "../../lib/observe/printable.ts";

const CASES: readonly [text: string, shown: string][] = [
  ["plain text, ünïcode 漢字 …", "plain text, ünïcode 漢字 …"],
  ["\x1b[2J", "\\u001b[2J"],
  ["two\r\nlines\t", "two\\u000d\\u000alines\\u0009"],
  ["\x7f\x9b", "\\u007f\\u009b"],
  ["\u202egnp.exe", "\\u202egnp.exe"],
  ["a\u2028b\u200bc", "a\\u2028b\\u200bc"],
  ["\u{e0001}", "\\udb40\\udc01"],
];

Deno.test("printable() escapes what moves, hides or reverses text", () => {
  for (const [text, shown] of CASES) assertEquals(printable(text), shown);
});

Deno.test("printable() keeps JSON the same JSON", () => {
  for (const [text] of CASES) {
    assertEquals(JSON.parse(printable(JSON.stringify(text))), text);
  }
});
