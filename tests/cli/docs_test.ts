import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { EXIT_CODES, EXIT_OF } from "../../lib/cli/exit_codes.ts";
import { parseCommandLine } from "../../lib/cli/parse.ts";
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

const ROOT = new URL("../../", import.meta.url);

/** Every Markdown file that a user reads, with its text. */
async function documents(): Promise<[name: string, text: string][]> {
  const found: [string, string][] = [];
  for (const folder of ["", "docs/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, ROOT))) {
      if (!name.endsWith(".md")) continue;
      const path = `${folder}${name}`;
      found.push([path, await Deno.readTextFile(new URL(path, ROOT))]);
    }
  }
  return found;
}

/** The lines of blocks for a shell that run the program, without redirections. */
function commandLines(text: string): string[] {
  const blocks = text.matchAll(/^ *```(?:sh|bash|console)\n(.*?)^ *```/gms);
  return [...blocks].flatMap(([, block = ""]) =>
    block.replaceAll(/\\\n\s*/g, "").split("\n")
      .map((line) => /^ *(?:[$#] )?swarmd (.*)$/.exec(line)?.[1] ?? "")
      .map((line) => line.replace(/ (?:>|\||&|#|2>).*$/, ""))
      .filter((line) => line !== "")
  );
}

Deno.test("documents show only command lines that the program understands", async () => {
  let seen = 0;
  for (const [path, text] of await documents()) {
    for (const line of commandLines(text)) {
      if (line.includes("[OPTIONS]")) continue;
      seen++;
      try {
        const parsed = parseCommandLine(line.split(" "), COMMANDS);
        if (parsed.kind === "command") parsed.command.prepare(parsed.raw);
      } catch (cause) {
        throw new Error(`${path}: swarmd ${line}`, { cause });
      }
    }
  }
  assert(seen >= COMMANDS.length, String(seen));
});
