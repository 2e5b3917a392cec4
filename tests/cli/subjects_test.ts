import { assertEquals } from "@std/assert";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { bySubject } from "../../lib/cli/subjects.ts";

Deno.test("bySubject() has every command once, those that begin alike together", () => {
  const listed = bySubject(COMMANDS).flatMap(({ commands }) => commands)
    .map(({ path }) => path);
  assertEquals(
    listed.toSorted(),
    COMMANDS.map(({ path }) => path).toSorted(),
  );
  const words = listed.map((path) => path.split(" ")[0]);
  const runs = words.filter((word, i) => word !== words[i - 1]);
  assertEquals(runs, [...new Set(words)]);
});
