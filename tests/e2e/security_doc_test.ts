import { assert, assertEquals } from "@std/assert";
import { type Threat, THREATS } from "./threats.ts";

const HERE = new URL(".", import.meta.url);
const ALL: readonly (readonly [name: string, threat: Threat])[] = Object
  .entries(THREATS);

/** What stands in backticks in the last column, from the first attack on. */
function citedIn(text: string): Set<string> {
  const attacks = text.slice(text.indexOf("\n## When something is stolen"));
  const rows = attacks.split("\n").filter((line) => line.startsWith("|"));
  const cells = rows.map((row) => row.split("|").at(-2) ?? "");
  const names = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)]);
  return new Set(names.map(([, name = ""]) => name));
}

Deno.test("SECURITY.md cites every threat that is tested, and nothing else", async () => {
  const text = await Deno.readTextFile(new URL("../../SECURITY.md", HERE));
  const cited = citedIn(text);
  for (const file of [...cited].filter((name) => name.includes("/"))) {
    assert((await Deno.stat(new URL(`../../${file}`, HERE))).isFile, file);
    cited.delete(file);
  }
  assertEquals([...cited].sort(), Object.keys(THREATS).sort());
});

Deno.test("every threat has one test, of its own name", async () => {
  const registered: string[] = [];
  for await (const { name } of Deno.readDir(HERE)) {
    if (!name.endsWith("_test.ts")) continue;
    const text = await Deno.readTextFile(new URL(name, HERE));
    const found = text.matchAll(/^threat\("([^"]+)"/gm);
    registered.push(...[...found].map(([, threat = ""]) => threat));
  }
  // A backup is the authority's key, among other things.
  const tested = ALL
    .filter(([name, { file }]) => name !== "backup" && file === undefined)
    .map(([name]) => name);
  assertEquals(registered.sort(), tested.sort());
});

Deno.test("every threat that another test shows is in the file that is named", async () => {
  for (const [name, { file, test }] of ALL) {
    if (file === undefined) continue;
    const text = await Deno.readTextFile(new URL(`../../${file}`, HERE));
    assert(text.includes(`Deno.test(${JSON.stringify(test)}`), name);
  }
});
