import { assert, assertEquals } from "@std/assert";
import { THREATS } from "./threats.ts";

const HERE = new URL(".", import.meta.url);

/** Names in backticks that look like those of threats. */
function citedIn(text: string): Set<string> {
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
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
  const tested = Object.keys(THREATS).filter((name) => name !== "backup");
  assertEquals(registered.sort(), tested.sort());
});
