import { assertEquals } from "@std/assert";
import { checkTree } from "../../scripts/layers.ts";

const CLI = 'import { run } from "./lib/cli/run.ts";\nrun();';
const RUN = "export function run() {}";

/** What is wrong with a tree that has a small entry unless it brings one. */
function problems(files: Record<string, string>): string[] {
  const tree = { "main.ts": CLI, "lib/cli/run.ts": RUN, ...files };
  return checkTree(new Map(Object.entries(tree)))
    .map(({ path, rule, detail }) => `${path}: ${rule}: ${detail}`);
}

Deno.test("checkTree() accepts a tree in order", () => {
  assertEquals(
    problems({
      "lib/cli/run.ts":
        'import { join } from "../worker/join.ts";\nexport function run() {\n  join();\n}',
      "lib/worker/join.ts":
        'import {\n  type Bytes,\n  utf8 as encode,\n} from "../base/bytes.ts";\nexport function join(): Bytes {\n  return encode("");\n}',
      "lib/base/bytes.ts":
        "export type Bytes = Uint8Array;\nexport const utf8 = f;",
    }),
    [],
  );
});

Deno.test("checkTree() fails by name without an entry", () => {
  assertEquals(checkTree(new Map([["lib/cli/run.ts", RUN]])), [{
    path: "main.ts",
    rule: "missing",
    detail: "there is no such file",
  }]);
});

Deno.test("checkTree() finds a forbidden import in each of its forms", () => {
  const forms = [
    'import { a } from "../net/a.ts";',
    'import type { a } from "../net/a.ts";',
    'import { b, type a } from "../net/a.ts";',
    'import {\n  a,\n} from "../net/a.ts";',
    'import * as net from "../net/a.ts";',
    'import a from "../net/a.ts";',
    'import "../net/a.ts";',
    'export { a } from "../net/a.ts";',
    'export * from "../net/a.ts";',
    '  const { a } = await import("../net/a.ts");',
    '  return import("../net/a.ts");',
  ];
  for (const form of forms) {
    const found = problems({
      "lib/base/b.ts": form,
      "lib/net/a.ts": "",
    });
    assertEquals(
      found.filter((line) => line.includes(": import:")),
      ["lib/base/b.ts: import: base may not import net, only itself"],
      form,
    );
  }
});

Deno.test("checkTree() takes no comment and no quoted text for an import", () => {
  const harmless = [
    '// import "../net/a.ts";',
    '/**\n * import { a } from "../net/a.ts";\n */',
    'check(`await import("../net/a.ts")`);',
  ];
  for (const text of harmless) {
    const found = problems({ "lib/base/b.ts": text });
    assertEquals(found.filter((line) => line.includes(": import:")), [], text);
  }
});

Deno.test("checkTree() names an import that leads nowhere", () => {
  assertEquals(
    problems({
      "main.ts": CLI + '\nimport "./lib/cli/gone.ts";',
    }),
    ['main.ts: import: "lib/cli/gone.ts" does not exist'],
  );
});

Deno.test("checkTree() finds a cycle once", () => {
  assertEquals(
    problems({
      "main.ts": 'import "./lib/cli/a.ts";',
      "lib/cli/run.ts": "",
      "lib/cli/a.ts": 'import "./b.ts";\nimport "./run.ts";',
      "lib/cli/b.ts": 'import type { c } from "./c.ts";',
      "lib/cli/c.ts":
        'import "./a.ts";\nimport "./run.ts";\nexport type c = 1;',
    }),
    [
      "lib/cli/a.ts: cycle: lib/cli/a.ts -> lib/cli/b.ts -> lib/cli/c.ts -> lib/cli/a.ts",
    ],
  );
});

Deno.test("checkTree() finds a file that only tests reach", () => {
  assertEquals(
    problems({
      "lib/base/lonely.ts": "",
      "tests/base/lonely_test.ts": 'import "../../lib/base/lonely.ts";',
    }),
    [
      "lib/base/lonely.ts: unreached: main.ts does not import it, directly or not",
    ],
  );
});

Deno.test("checkTree() finds exports that the program does not use", () => {
  assertEquals(
    problems({
      "lib/cli/run.ts": [
        "export function run() {}",
        "export const a = 1;",
        "export async function b() {}",
        "export abstract class C {}",
        "export interface D {}",
        "const g = 1;",
        "export { g, type h as i };",
        "export let used = 1;",
      ].join("\n"),
      "lib/cli/other.ts": 'import { used as mine } from "./run.ts";',
      "main.ts": CLI + '\nimport "./lib/cli/other.ts";',
      "tests/cli/run_test.ts": 'import { a, b } from "../../lib/cli/run.ts";',
    }),
    ["a", "b", "C", "D", "g", "i"].map((name) =>
      `lib/cli/run.ts: unused: nothing in the program uses "${name}"`
    ),
  );
});

Deno.test("checkTree() lets an export serve its file and be looked at", () => {
  const lines = [
    "export function run(e: E) {\n  return e.length > MAX + MIN;\n}",
    "export interface E {}",
    "export const MAX = 1;",
    "export const MIN = 1;",
  ];
  assertEquals(
    problems({
      "lib/cli/run.ts": lines.join("\n"),
      "tests/cli/run_test.ts": 'import { MAX } from "../../lib/cli/run.ts";',
    }),
    ['lib/cli/run.ts: unused: nothing in the program uses "MIN"'],
  );
});

Deno.test("checkTree() counts a namespace and a lazy import as uses", () => {
  const exports = "export const a = 1;\nexport const b = 2;";
  const uses = [
    ['import * as all from "./a.ts";', []],
    ['const all = await import("./a.ts");', []],
    ['const { a, b: c } = await import("./a.ts");', []],
    ['const { a } = await import("./a.ts");', ["b"]],
  ] as const;
  for (const [use, unused] of uses) {
    assertEquals(
      problems({
        "lib/cli/run.ts": `${use}\n${RUN}`,
        "lib/cli/a.ts": exports,
      }),
      unused.map((name) =>
        `lib/cli/a.ts: unused: nothing in the program uses "${name}"`
      ),
      use,
    );
  }
});

Deno.test("checkTree() lets tests be the only users of the assertions", () => {
  const mod = 'export { assert, fail } from "./truth.ts";';
  assertEquals(
    problems({
      "lib/std/assert/mod.ts": mod,
      "lib/std/assert/truth.ts":
        "export function assert() {}\nexport function fail() {}",
      "tests/cli/run_test.ts": 'import { assert } from "@std/assert";',
    }),
    ['lib/std/assert/mod.ts: unused: nothing in the program uses "fail"'],
  );
});
