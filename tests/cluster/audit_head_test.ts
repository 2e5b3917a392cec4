import { assertEquals } from "@std/assert";
import { HOUR, MINUTE } from "../../lib/base/time.ts";
import { compareHeads, isHeadDue } from "../../lib/cluster/audit_head.ts";

const NOW = Date.UTC(2026, 0, 1);

const DUE: readonly (readonly [
  string,
  { sequence: number; at: number } | undefined,
  number,
  boolean,
])[] = [
  ["an empty log", undefined, 0, false],
  ["a log of one entry that nobody signed", undefined, 1, true],
  ["nothing new", head(5, HOUR), 5, false],
  ["one new entry, soon after", head(5, 10 * MINUTE - 1), 6, false],
  ["one new entry, 10 minutes after", head(5, 10 * MINUTE), 6, true],
  ["99 new entries at once", head(5, 0), 104, false],
  ["100 new entries at once", head(5, 0), 105, true],
  ["a log that is shorter than what was signed", head(5, HOUR), 4, false],
  ["one new entry, the clock set back by an hour", head(5, -HOUR), 6, true],
  ["one new entry, the clock set back a little", head(5, -MINUTE), 6, false],
];

for (const [what, before, last, due] of DUE) {
  Deno.test(`isHeadDue() is ${due} for ${what}`, () => {
    assertEquals(isHeadDue(before, { last, now: NOW }), due);
  });
}

Deno.test("compareHeads() tells a log that goes on from one that was changed", () => {
  const [one, two] = [{ sequence: 1, hash: "a" }, { sequence: 2, hash: "b" }];
  assertEquals(compareHeads(undefined, one), "newer");
  assertEquals(compareHeads(one, two), "newer");
  assertEquals(compareHeads(one, one), "same");
  assertEquals(compareHeads(two, one), "older");
  assertEquals(compareHeads(two, { sequence: 2, hash: "c" }), "rewritten");
});

function head(sequence: number, ageMs: number) {
  return { sequence, at: NOW - ageMs };
}
