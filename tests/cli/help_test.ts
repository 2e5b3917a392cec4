import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { ENVIRONMENT } from "../../lib/cli/environment.ts";
import { EXIT_CODES } from "../../lib/cli/exit_codes.ts";
import { runLine } from "./fake_host.ts";

const GROUPS = ["manager", "worker", "node", "token", "ca", "cert"];

async function helpText(...topic: string[]): Promise<string> {
  const { code, stdout, stderr } = await runLine(["help", ...topic]);
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

Deno.test("help lists every command and topic in 80 columns", async () => {
  const text = await helpText();
  for (const { path, summary } of COMMANDS) {
    assert(new RegExp(`^  ${path} +${summary}$`, "m").test(text), path);
  }
  assertStringIncludes(text, "exit-codes");
  assertStringIncludes(text, "environment");
  assertNarrow(text);
});

Deno.test("help on a command shows its usage, options, arguments, examples and exit codes", async () => {
  for (const each of COMMANDS) {
    const text = await helpText(...each.path.split(" "));
    const parts = [
      `swarmd ${each.path} - ${each.summary}`,
      `\nUsage:\n  swarmd ${each.path}`,
      "\nExamples:\n",
      "\nExit codes: 0 ok, 1 internal, 2 usage",
      "  -h, --help",
      ...each.examples.map(({ line }) => `  ${line}\n`),
      ...Object.keys(each.options).map((name) => `--${name}`),
    ];
    for (const part of parts) assertStringIncludes(text, part);
    for (const { help } of Object.values(each.options)) {
      assertStringIncludes(text.replace(/\s+/g, " "), help);
    }
  }
});

Deno.test("help on a command fits 80 columns but for long examples", async () => {
  for (const { path, examples } of COMMANDS) {
    let text = await helpText(...path.split(" "));
    for (const { line } of examples) text = text.replace(line, "");
    assertNarrow(text);
  }
});

Deno.test("--help and -h say what help says", async () => {
  for (const { path } of COMMANDS) {
    const words = path.split(" ");
    const text = await helpText(...words);
    for (const flag of ["--help", "-h"]) {
      const { code, stdout, stderr } = await runLine([...words, flag]);
      assertEquals({ code, stdout, stderr }, {
        code: 0,
        stdout: text,
        stderr: "",
      });
    }
  }
});

Deno.test("help on a group lists its commands", async () => {
  for (const group of GROUPS) {
    const text = await helpText(group);
    assertEquals(text, (await runLine([group, "--help"])).stdout);
    const paths = COMMANDS.map(({ path }) => path)
      .filter((path) => path.startsWith(`${group} `));
    assert(paths.length > 0);
    for (const path of paths) assertStringIncludes(text, `  ${path} `);
  }
});

Deno.test("help exit-codes lists every exit code", async () => {
  const text = await helpText("exit-codes");
  for (const [name, { number }] of Object.entries(EXIT_CODES)) {
    assert(new RegExp(`^${number} +${name} +[A-Z]`, "m").test(text), name);
  }
  assertNarrow(text);
});

Deno.test("help environment lists every variable", async () => {
  const text = await helpText("environment");
  for (const name of Object.keys(ENVIRONMENT)) {
    assert(new RegExp(`^  ${name} +[A-Z]`, "m").test(text), name);
  }
  assertNarrow(text);
});

Deno.test("help on something unknown is a usage error", async () => {
  for (
    const [topic, hint] of [
      ["exitcodes", "Did you mean `swarmd help exit-codes`?"],
      ["nod", "Did you mean `swarmd help node`?"],
      ["zzz", "`swarmd help` lists the commands and topics"],
    ] as const
  ) {
    assertEquals(await runLine(["help", topic]), {
      code: 2,
      stdout: "",
      stderr:
        `swarmd: error: Cannot find help on "${topic}"\nswarmd: hint: ${hint}\n`,
    });
  }
});

Deno.test("a command line without a command shows the commands beside the data", async () => {
  const { code, stdout, stderr } = await runLine([]);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr, await helpText());
});

function assertNarrow(text: string): void {
  for (const line of text.split("\n")) assert(line.length <= 80, line);
}
