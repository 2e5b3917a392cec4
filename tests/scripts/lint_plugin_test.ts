import { assertEquals } from "@std/assert";
import plugin from "../../scripts/lint_plugin.ts";

/** The rules that fire on a source text, without the plugin's name. */
function findings(source: string, path: string): string[] {
  const file = new URL(`../../${path}`, import.meta.url).pathname;
  return Deno.lint.runPlugin(plugin, file, source)
    .map(({ id }) => id.replace("swarmd/", ""));
}

interface Case {
  readonly source: string;
  readonly at: string;
  readonly want: readonly string[];
}

function check(cases: readonly Case[]): void {
  for (const { source, at, want } of cases) {
    assertEquals(findings(source, at), [...want], `${at}: ${source}`);
  }
}

Deno.test("layers refuses what points up or across", () => {
  const up = ["layers"];
  check([
    { at: "lib/base/a.ts", source: 'import "./b.ts";', want: [] },
    { at: "lib/base/a.ts", source: 'import "../pki/b.ts";', want: up },
    {
      at: "lib/base/a.ts",
      source: 'import type { B } from "../pki/b.ts";',
      want: up,
    },
    {
      at: "lib/pki/a.ts",
      source: 'export { b } from "../rpc/b.ts";',
      want: up,
    },
    { at: "lib/pki/a.ts", source: 'export * from "../rpc/b.ts";', want: up },
    { at: "lib/pki/a.ts", source: 'await import("../rpc/b.ts");', want: up },
    { at: "lib/rpc/a.ts", source: 'import "../base/b.ts";', want: [] },
    { at: "lib/manager/a.ts", source: 'import "../worker/b.ts";', want: up },
    { at: "lib/manager/a.ts", source: 'import "../net/b.ts";', want: up },
    { at: "lib/net/a.ts", source: 'import "../disk/b.ts";', want: up },
    { at: "lib/net/a.ts", source: 'import "../manager/b.ts";', want: up },
    { at: "lib/cli/a.ts", source: 'import "../net/b.ts";', want: [] },
    { at: "lib/cli/a.ts", source: 'import "../../main.ts";', want: up },
    { at: "lib/cli/a.ts", source: 'import "../../tests/b.ts";', want: up },
    { at: "lib/nowhere/a.ts", source: 'import "../base/b.ts";', want: up },
    { at: "main.ts", source: 'import "./lib/cli/b.ts";', want: [] },
    { at: "main.ts", source: 'import "./lib/net/b.ts";', want: up },
    { at: "tests/net/a.ts", source: 'import "../../main.ts";', want: [] },
    { at: "lib/cluster/a.ts", source: 'import "@std/crypto";', want: [] },
    { at: "lib/cluster/a.ts", source: 'import "@std/cli";', want: up },
    { at: "lib/net/a.ts", source: 'import "@std/assert";', want: up },
    { at: "lib/rpc/a.ts", source: 'import "zod/mini";', want: [] },
  ]);
});

Deno.test("pure refuses ambient time, chance, disk, network, output", () => {
  const sources = [
    "Date.now();",
    "new Date();",
    "Date();",
    "Math.random();",
    "setTimeout(f, 1);",
    "const { setInterval: s } = globalThis;",
    "fetch(url);",
    "console.log(1);",
    "Deno.cwd();",
    "crypto.getRandomValues(bytes);",
    "f({ crypto });",
    "performance.now();",
    "AbortSignal.timeout(1);",
    'import { X509Certificate } from "node:crypto";',
    "function f(a: string) { return () => crypto.subtle; }",
  ];
  for (const source of sources) {
    assertEquals(findings(source, "lib/pki/a.ts"), ["pure"], source);
    assertEquals(findings(source, "lib/net/a.ts"), [], source);
  }
});

Deno.test("pure accepts arguments, fields and types of the same names", () => {
  const sources = [
    "function f(crypto: Crypto) { return crypto.sign(); }",
    "const f = ({ crypto, ...rest }: Deps) => () => crypto.sign(rest);",
    "const f = ([fetch = g]: Deps) => fetch();",
    "class A { fetch() { return this.fetch; } console = 1; }",
    "const a = { crypto: port };",
    "import { fetch } from './ports.ts'; fetch();",
    "export const crypto = 1; crypto;",
    "export function fetch() {} fetch();",
    "interface A { crypto: Port; fetch(console: Port): void }",
    "type A = (crypto: Port) => typeof fetch;",
    "try { f(); } catch (process) { g(process); }",
    "for (const process of all) g(process);",
    "for (let process = 0; ; ) g(process);",
    "for (const process in all) g(process);",
    "process: for (;;) break process;",
    "new Date(0); Date.UTC(2026, 0); Math.min(1, 2);",
    "AbortSignal.any([]);",
  ];
  for (const source of sources) {
    assertEquals(findings(source, "lib/pki/a.ts"), [], source);
  }
});

Deno.test("no-exit allows the entry and the tests to end the process", () => {
  check([
    { at: "lib/cli/a.ts", source: "Deno.exit(1);", want: ["no-exit"] },
    { at: "lib/cli/a.ts", source: 'Deno["exit"](1);', want: ["no-exit"] },
    { at: "scripts/a.ts", source: "Deno.exit(1);", want: ["no-exit"] },
    { at: "lib/net/a.ts", source: "process.exit(1);", want: ["no-exit"] },
    { at: "scripts/a.ts", source: "Deno.exitCode = 1;", want: [] },
    { at: "main.ts", source: "Deno.exit(1);", want: [] },
    { at: "tests/e2e/child.ts", source: "Deno.exit(1);", want: [] },
  ]);
});

Deno.test("function-length counts from the first line to the last", () => {
  const body = (lines: number) => `{\n${"f();\n".repeat(lines)}}`;
  const long = ["function-length"];
  check([
    { at: "lib/net/a.ts", source: `function a() ${body(58)}`, want: [] },
    { at: "lib/net/a.ts", source: `function a() ${body(59)}`, want: long },
    { at: "lib/net/a.ts", source: `const a = () => ${body(59)};`, want: long },
    { at: "lib/net/a.ts", source: `class A { a() ${body(59)} }`, want: long },
  ]);
});

Deno.test("few-parameters wants an object as the third and last", () => {
  const many = ["few-parameters"];
  const at = "lib/net/a.ts";
  check([
    { at, source: "function f(a: A, b: B) {}", want: [] },
    { at, source: "function f(a: A, b: B, c: Options) {}", want: [] },
    { at, source: "function f(a: A, b: B, c: Options = {}) {}", want: [] },
    { at, source: "function f(a: A, b: B, { c }: Options) {}", want: [] },
    { at, source: "function f(a: A, b: B, { c }: C = {}) {}", want: [] },
    { at, source: "function f(a: A, b: B, ...c: C[]) {}", want: [] },
    { at, source: "function f(a: A, b: B, c: string) {}", want: many },
    { at, source: "function f(a: A, b: B, c = 1) {}", want: many },
    { at, source: "function f(a: A, b: B, c?: boolean) {}", want: many },
    { at, source: "function f(a: A, b: B, c: () => void) {}", want: many },
    { at, source: "function f(a: A, b: B, c: C, d: D) {}", want: many },
    { at, source: "const f = (a: A, b: B, c: number) => a;", want: many },
    { at, source: "class A { f(a: A, b: B, c: number) {} }", want: many },
    {
      at,
      source: "class A { constructor(a: A, b: B, c: number) {} }",
      want: many,
    },
    { at, source: "interface A { f(a: A, b: B, c: number): A }", want: many },
    { at, source: "all.reduce((a, b, c) => a);", want: [] },
    {
      at: "lib/std/assert/a.ts",
      source: "function f(a: A, b: B, c: string) {}",
      want: [],
    },
  ]);
});

Deno.test("private-fields refuses the keyword", () => {
  const want = ["private-fields"];
  const at = "lib/net/a.ts";
  check([
    { at, source: "class A { private a = 1; }", want },
    { at, source: "class A { private a() {} }", want },
    { at, source: "class A { #a = 1; readonly b = 2; }", want: [] },
  ]);
});
