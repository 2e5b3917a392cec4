import { assertEquals } from "@std/assert";
import { closest } from "../../lib/cli/suggest.ts";

const WORDS = ["manager init", "node ls", "status", "--state-dir", "--json"];

const CASES: readonly [word: string, meant: string | undefined][] = [
  ["status", "status"],
  ["statsu", "status"],
  ["sttatus", "status"],
  ["stats", "status"],
  ["--sate-dir", "--state-dir"],
  ["--statedir", "--state-dir"],
  ["--jsn", "--json"],
  ["--JSON", "--json"],
  ["nodels", "node ls"],
  ["manger int", "manager init"],
  ["frobnicate", undefined],
  ["", undefined],
];

Deno.test("closest() finds what was probably meant, and nothing far away", () => {
  for (const [word, meant] of CASES) {
    assertEquals(closest(word, WORDS), meant, word);
  }
});

Deno.test("closest() takes neighbours swapped as one mistake", () => {
  assertEquals(closest("ba", ["ab"]), "ab");
  assertEquals(closest("bca", ["abc"]), undefined);
});

Deno.test("closest() takes the first of equally near candidates", () => {
  assertEquals(closest("nodes", ["node1", "node2"]), "node1");
});
