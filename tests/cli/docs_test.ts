import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { EXIT_CODES, EXIT_OF } from "../../lib/cli/exit_codes.ts";
import { cliDocs } from "../../scripts/cli_docs.ts";

const PATH = new URL("../../docs/cli.md", import.meta.url);

Deno.test("docs/cli.md says what the command table says", async () => {
  const message = "stale: run deno run -A scripts/cli_docs.ts";
  assertEquals(await Deno.readTextFile(PATH), cliDocs(), message);
});

Deno.test("cliDocs() has every command, option, exit code and error code", () => {
  const text = cliDocs();
  for (const { path, options } of COMMANDS) {
    assertStringIncludes(text, `\n## swarmd ${path}\n`);
    for (const name of Object.keys(options)) {
      assertStringIncludes(text, `--${name}`);
    }
  }
  for (const [name, { number }] of Object.entries(EXIT_CODES)) {
    assertStringIncludes(text, `\n| ${number} | ${name} | `);
  }
  for (const code of Object.keys(EXIT_OF)) {
    assertStringIncludes(text, `\`${code}\``);
  }
});

Deno.test("cliDocs() writes whole Markdown tables", () => {
  for (const line of cliDocs().split("\n")) {
    if (!line.startsWith("|")) continue;
    const cells = line.replaceAll("\\|", "").split("|").length - 2;
    assert(cells === 2 || cells === 4, line);
  }
});
