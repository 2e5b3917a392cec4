import { assert, assertEquals } from "@std/assert";
import { THREATS } from "../e2e/threats.ts";

const ROOT = new URL("../../", import.meta.url);
/** Scenarios that need not apply, at most. */
const MOST_LEFT_OUT = 12;
/** From here on every scenario applies. */
const FIRST_OF_OURS = 44;

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (
    const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))
  ) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

/** A test, as its file names it. */
interface Found {
  /** What differs from run to run stands as "…". */
  readonly name: string;
  /** Its name, and the comment right above it. */
  readonly said: string;
}

const TEST =
  /((?:^[ \t]*\/\/.*\n)*)[ \t]*(?:Deno\.test\(\s*(["`])((?:\\.|(?!\2)[\s\S])*)\2|threat\("([^"]+)")/gm;

/** Every test of a file. */
function testsIn(source: string): Found[] {
  return [...source.matchAll(TEST)].map(
    ([, comment = "", , text = "", threat = ""]) => {
      const known = Object.entries(THREATS).find(([id]) => id === threat);
      const name = known?.[1].test ??
        text.replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, "…");
      return { name, said: `${comment}${name}` };
    },
  );
}

/** The rows of the table in a section, as cells. */
async function rowsOf(section: string): Promise<string[][]> {
  const [, text = ""] = (await read("docs/trust.md")).split(`\n${section}\n`);
  const [own = ""] = text.split(/^##/m);
  return own.split("\n").filter((line) => /^\| W?\d+ /.test(line))
    .map((line) =>
      line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""))
    );
}

/** The tests that a cell names; each is there. */
async function testsNamed(cell: string): Promise<Found[]> {
  return await Promise.all(
    cell.split("<br>").map(async (each) => {
      const [, path = "", name = ""] = /^`(tests\/[^`]+)`: (.+)$/.exec(each) ??
        [];
      const found = testsIn(await read(path)).find((test) =>
        test.name === name
      );
      assert(found, `${path} has no test "${name}"`);
      return found;
    }),
  );
}

function upTo(count: number, prefix = ""): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
}

Deno.test("docs/trust.md names for each of the 65 scenarios tests that there are, or why it does not apply", async () => {
  const rows = await rowsOf("### 12.1 Scenarios");
  assertEquals(rows.map(([number]) => number), upTo(65));
  let leftOut = 0;
  for (const [number, text = "", tests = ""] of rows) {
    if (text.startsWith("does not apply")) {
      assert(Number(number) < FIRST_OF_OURS && text.includes(": "), text);
      assertEquals(tests, "");
      leftOut++;
    } else await testsNamed(tests);
  }
  assert(leftOut <= MOST_LEFT_OUT, `${leftOut} are left out`);
});

Deno.test("docs/trust.md names for each of the 31 weaknesses tests that there are, and that name it", async () => {
  const rows = await rowsOf("### 12.2 Weaknesses");
  assertEquals(rows.map(([number]) => number), upTo(31, "W"));
  for (const [number = "", there, here, tests = ""] of rows) {
    assert(there && here, number);
    const named = await testsNamed(tests);
    assert(
      named.some(({ said }) => new RegExp(`\\b${number}\\b`).test(said)),
      `none of its tests names ${number}`,
    );
  }
});

Deno.test("every section of docs/trust.md that a source cites is there", async () => {
  const document = await read("docs/trust.md");
  const sections = new Set(
    [...document.matchAll(/^##+ (\d+(?:\.\d+)?)\.? /gm)].map(([, n]) => n),
  );
  let cited = 0;
  for (const folder of ["lib", "tests"]) {
    for await (const path of sources(folder)) {
      const text = (await read(path)).replaceAll(/\s*\n \* /g, " ");
      for (const [, number] of text.matchAll(/trust\.md §(\d+(?:\.\d+)?)/g)) {
        assert(sections.has(number), `${path} cites trust.md §${number}`);
        cited++;
      }
    }
  }
  assert(cited > 10, `${cited}`);
});

Deno.test("the sections of docs/trust.md are numbered in order", async () => {
  const document = await read("docs/trust.md");
  let [section, part] = [0, 0];
  for (const [, marks, number] of document.matchAll(/^(##+) (\S+) /gm)) {
    if (marks === "##") [section, part] = [section + 1, 0];
    else part++;
    assertEquals(number, part === 0 ? `${section}.` : `${section}.${part}`);
  }
  assert(section >= 8);
});
