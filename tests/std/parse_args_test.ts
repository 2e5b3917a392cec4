import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli";

type Options = Parameters<typeof parseArgs>[1];

interface Case {
  readonly args: readonly string[];
  readonly options?: Options;
  readonly want: Record<string, unknown>;
}

function check(cases: readonly Case[]): void {
  for (const { args, options, want } of cases) {
    const found = parseArgs(args, options);
    assertEquals(found, { _: [], ...want }, args.join(" "));
  }
}

Deno.test("parseArgs() reads options without being told about them", () => {
  check([
    { args: [], want: {} },
    { args: ["a", "b"], want: { _: ["a", "b"] } },
    { args: ["--a"], want: { a: true } },
    { args: ["--a", "b"], want: { a: "b" } },
    { args: ["--a=b"], want: { a: "b" } },
    { args: ["--a=b=c"], want: { a: "b=c" } },
    { args: ["--a="], want: { a: "" } },
    { args: ["--a", "--b"], want: { a: true, b: true } },
    { args: ["--a", "-b"], want: { a: true, b: true } },
    { args: ["--a", "1", "--a", "2"], want: { a: 2 } },
    { args: ["-"], want: { _: ["-"] } },
    { args: [""], want: { _: [""] } },
  ]);
});

Deno.test("parseArgs() reads short options, alone and together", () => {
  check([
    { args: ["-a"], want: { a: true } },
    { args: ["-a", "b"], want: { a: "b" } },
    { args: ["-abc"], want: { a: true, b: true, c: true } },
    { args: ["-abc", "d"], want: { a: true, b: true, c: "d" } },
    { args: ["-n5"], want: { n: 5 } },
    { args: ["-n=5"], want: { n: 5 } },
    { args: ["-n="], want: { n: "" } },
    { args: ["-an5"], want: { a: "n5" } },
    { args: ["-p/tmp"], want: { p: "/tmp" } },
    { args: ["-a-"], want: { a: "-" } },
  ]);
});

Deno.test("parseArgs() makes numbers of what is not declared as text", () => {
  const string = ["a", "_"];
  check([
    { args: ["--a", "12", "34"], want: { a: 12, _: [34] } },
    {
      args: ["--a", "12", "34"],
      options: { string },
      want: { a: "12", _: ["34"] },
    },
    { args: ["--a", "0x10"], want: { a: 16 } },
    { args: ["--a", "1e3"], want: { a: 1000 } },
    { args: ["--a", "1.2.3"], want: { a: "1.2.3" } },
    { args: ["--a="], want: { a: "" } },
    { args: ["--a"], options: { string }, want: { a: "" } },
  ]);
});

Deno.test("parseArgs() lets booleans take no value but true and false", () => {
  const boolean = ["a"];
  check([
    { args: [], options: { boolean }, want: { a: false } },
    { args: ["--a", "b"], options: { boolean }, want: { a: true, _: ["b"] } },
    { args: ["--a", "false"], options: { boolean }, want: { a: false } },
    { args: ["--a", "true"], options: { boolean }, want: { a: true } },
    { args: ["--a=false"], options: { boolean }, want: { a: false } },
    { args: ["--a=no"], options: { boolean }, want: { a: true } },
    { args: ["-a", "b"], options: { boolean }, want: { a: true, _: ["b"] } },
    { args: ["--a"], options: { boolean: "a" }, want: { a: true } },
  ]);
});

Deno.test("parseArgs() negates what may be negated", () => {
  const boolean = ["a"];
  const negatable = ["a"];
  check([
    { args: ["--no-a"], options: { boolean, negatable }, want: { a: false } },
    {
      args: ["--no-a"],
      options: { boolean },
      want: { a: false, "no-a": true },
    },
    {
      args: ["--a", "1", "--no-a"],
      options: { negatable, collect: ["a"] },
      want: { a: false },
    },
  ]);
});

Deno.test("parseArgs() collects repeated options", () => {
  const collect = ["a"];
  const string = ["a"];
  check([
    { args: [], options: { collect, string }, want: { a: [] } },
    { args: [], options: { collect }, want: {} },
    { args: ["--a", "1"], options: { collect, string }, want: { a: ["1"] } },
    { args: ["--a", "1", "--a=2"], options: { collect }, want: { a: [1, 2] } },
    {
      args: [],
      options: { collect, default: { a: ["x"] } },
      want: { a: ["x"] },
    },
  ]);
});

Deno.test("parseArgs() knows an option by all its names", () => {
  const alias = { all: ["a", "every"] };
  check([
    {
      args: ["-a"],
      options: { alias },
      want: { a: true, all: true, every: true },
    },
    {
      args: ["--every", "x"],
      options: { alias, boolean: ["all"] },
      want: { a: true, all: true, every: true, _: ["x"] },
    },
    {
      args: ["-a", "5"],
      options: { alias: { all: "a" }, string: ["all"] },
      want: { a: "5", all: "5" },
    },
    {
      args: [],
      options: { alias: { all: "a" }, default: { all: 7 } },
      want: { a: 7, all: 7 },
    },
    {
      args: ["-a", "1", "--all", "2"],
      options: { alias: { all: "a" }, collect: ["all"] },
      want: { a: [1, 2], all: [1, 2] },
    },
  ]);
});

Deno.test("parseArgs() uses defaults where nothing was given", () => {
  const options = { default: { a: 1, b: true } };
  check([
    { args: [], options, want: { a: 1, b: true } },
    { args: ["--a", "2"], options, want: { a: 2, b: true } },
    {
      args: ["--b=false"],
      options: { ...options, boolean: ["b"] },
      want: { a: 1, b: false },
    },
  ]);
});

Deno.test("parseArgs() leaves alone what follows --", () => {
  const args = ["--a", "--", "--b", "7"];
  check([
    { args, want: { a: true, _: ["--b", "7"] } },
    { args, options: { "--": true }, want: { a: true, "--": ["--b", "7"] } },
    { args: ["x"], options: { "--": true }, want: { _: ["x"], "--": [] } },
  ]);
});

Deno.test("parseArgs() stops early at the first word", () => {
  const options = { stopEarly: true, boolean: ["a"] };
  check([
    {
      args: ["--a", "x", "--b", "5"],
      options,
      want: { a: true, _: ["x", "--b", "5"] },
    },
    { args: ["x", "--", "y"], options, want: { a: false, _: ["x", "y"] } },
  ]);
});

Deno.test("parseArgs() asks about what it was not told of", () => {
  const asked: unknown[] = [];
  const found = parseArgs(
    ["word", "--known", "1", "--a=2", "-b", "--list", "3"],
    {
      string: ["known"],
      collect: ["list"],
      unknown: (...args) => {
        asked.push(args);
        return args[0] === "-b";
      },
    },
  );
  assertEquals(asked, [["word"], ["--a=2", "a", "2"], ["-b", "b", true]]);
  assertEquals(found, { _: [], known: "1", b: true, list: [3] });
});

Deno.test("parseArgs() takes names that objects have for plain names", () => {
  const found = parseArgs(["--toString", "a", "--valueOf", "b"]);
  assertEquals(Object.entries(found), [
    ["_", []],
    ["toString", "a"],
    ["valueOf", "b"],
  ]);
});
