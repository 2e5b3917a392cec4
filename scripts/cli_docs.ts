/**
 * Writes docs/cli.md from the command table; with `--check`, fails when the
 * file does not say what the table says.
 *
 * @module
 */
import type { Argument, Command, Option } from "../lib/cli/command.ts";
import { COMMANDS } from "../lib/cli/commands.ts";
import { ENVIRONMENT, IGNORED_ENVIRONMENT } from "../lib/cli/environment.ts";
import { eventWriter, type RunEvent } from "../lib/cli/events.ts";
import {
  EXIT_CODES,
  EXIT_OF,
  type ExitName,
  exitNumber,
} from "../lib/cli/exit_codes.ts";
import {
  argumentForm,
  optionForm,
  optionText,
  synopsis,
} from "../lib/cli/forms.ts";
import { bySubject, type Subject } from "../lib/cli/subjects.ts";

const PATH = new URL("../docs/cli.md", import.meta.url);

/** The text that docs/cli.md is to have. */
export function cliDocs(): string {
  return [
    "<!-- deno-fmt-ignore-file -->",
    "<!-- Made by `deno run -A scripts/cli_docs.ts` from the command table: do not edit. -->",
    "",
    "# The command line",
    "",
    ...INTRODUCTION,
    "",
    ...bySubject(COMMANDS).flatMap(contents),
    ...bySubject(COMMANDS).flatMap(({ commands }) =>
      commands.flatMap(commandSection)
    ),
    ...eventSection(),
    ...environmentSection(),
    ...exitSection(),
  ].join("\n");
}

const INTRODUCTION = [
  "Data goes to standard output, everything else to standard error: errors as `swarmd: error: …`, what to do about them as `swarmd: hint: …`, and the log. `--help` shows the help of any command; options may stand before and after arguments, but behind the command's own words.",
  "",
  "A running manager or worker answers its operator on `swarmd.sock` in its state directory, which only its user may enter.",
  "",
  "Durations are written like `90d`, `1h30m`, `10s` or `250ms`. Addresses are `HOST:PORT`, IPv6 in brackets: `[2001:db8::5]:2377`.",
];

function contents({ title, commands }: Subject): string[] {
  return [
    `${title}:`,
    "",
    ...commands.map((each) =>
      `- [\`swarmd ${each.path}\`](#${anchor(each)}): ${each.summary}`
    ),
    "",
  ];
}

function anchor(command: Command): string {
  return `swarmd-${command.path.replaceAll(" ", "-")}`;
}

function commandSection(command: Command): string[] {
  const words = Object.values(command.arguments);
  const options = Object.entries(command.options);
  return [
    `## swarmd ${command.path}`,
    "",
    ...fenced([`swarmd ${synopsis(command)}`]),
    `${sentence(command.summary)}.`,
    "",
    ...command.description.flatMap((text) => [text, ""]),
    ...table(["Argument", "Meaning"], words.map(argumentRow)),
    ...table(["Option", "Meaning"], options.map(optionRow)),
    ...fenced(
      command.examples.flatMap(({ line, help }) => [`# ${help}`, line]),
    ),
    `Exit codes: ${exits(command).map(exitText).join(", ")}.`,
    "",
  ];
}

function argumentRow(argument: Argument<unknown>): string[] {
  return [code(argumentForm(argument)), argument.help];
}

function optionRow([name, option]: [string, Option<unknown>]): string[] {
  return [code(optionForm(name, option)), optionText(option)];
}

function exits(command: Command): ExitName[] {
  return ["ok", "internal", "usage", ...command.exits];
}

function exitText(name: ExitName): string {
  return `${exitNumber(name)} ${name}`;
}

const CERTIFICATE = {
  node: "0qk1…",
  serial: "4f2c…",
  notBefore: Date.UTC(2026, 0, 1),
  notAfter: Date.UTC(2026, 3, 1),
  issuer: "CN=swarm-ca",
};
const EVENTS: Readonly<Record<RunEvent["event"], [string, RunEvent]>> = {
  ready: [
    "The manager serves. `joinTokens` comes from `manager init` only.",
    {
      event: "ready",
      cluster: "5m0x…",
      node: "0qk1…",
      listen: "0.0.0.0:2377",
      rootDigest: "sha256:9a41…",
      managers: ["10.0.0.5:2377"],
      joinTokens: { worker: "SWMTKN-1-…", manager: "SWMTKN-1-…" },
    },
  ],
  locked: [
    "A manager with autolock waits for `swarmd unlock`, with the unlock key of that version.",
    { event: "locked", keyVersion: 2 },
  ],
  pending: [
    "An operator has to accept the worker, whose key has this fingerprint. It goes on asking.",
    { event: "pending", node: "0qk1…", fingerprint: "1f8a…" },
  ],
  joined: [
    "The worker has its first certificate.",
    { event: "joined", ...CERTIFICATE },
  ],
  connected: [
    "The worker has a session.",
    { event: "connected", node: "0qk1…", manager: "10.0.0.5:2377" },
  ],
  disconnected: [
    "The session is interrupted; a session that only moves to a new connection is not.",
    {
      event: "disconnected",
      node: "0qk1…",
      manager: "10.0.0.5:2377",
      reason: "…",
    },
  ],
  renewed: [
    "The node has a new certificate.",
    { event: "renewed", ...CERTIFICATE },
  ],
  recovered: [
    "The node came back with a certificate that was not good any more, and has a new one.",
    { event: "recovered", reason: "expired", ...CERTIFICATE },
  ],
  "root-changed": [
    "The node trusts another root.",
    { event: "root-changed", node: "0qk1…", rootDigest: "sha256:9a41…" },
  ],
  stopped: [
    "The last event of a process that stops in order.",
    { event: "stopped", reason: "SIGTERM" },
  ],
};

function eventSection(): string[] {
  return [
    "## Events",
    "",
    "`manager` and `worker` commands write with `--json` one object a line. Fields may be added. A reader that is a mebibyte behind misses events.",
    "",
    ...Object.values(EVENTS).flatMap(([text, event]) => [
      `\`${event.event}\`: ${text}`,
      "",
      ...fenced(
        [eventLine(event)],
        "json",
      ),
    ]),
  ];
}

/** What the program would write. */
function eventLine(event: RunEvent): string {
  const lines: string[] = [];
  const output = {
    postJson: (value: unknown) => void lines.push(JSON.stringify(value)),
    postLines() {},
  };
  const now = () => Date.UTC(2026, 0, 1, 1);
  eventWriter(output, { json: true, now })(event);
  return lines.join("\n");
}

function environmentSection(): string[] {
  const rows = Object.entries(ENVIRONMENT)
    .map(([name, help]) => [code(name), help]);
  return [
    "## Environment",
    "",
    ...table(["Variable", "Meaning"], rows),
    IGNORED_ENVIRONMENT,
    "",
  ];
}

function exitSection(): string[] {
  const names = Object.keys(EXIT_CODES) as ExitName[];
  const rows = names.map((name) => [
    String(exitNumber(name)),
    name,
    EXIT_CODES[name].meaning,
    Object.entries(EXIT_OF).filter(([, exit]) => exit === name)
      .map(([errorCode]) => code(errorCode)).join(", "),
  ]);
  return [
    "## Exit codes",
    "",
    "The errors are the codes by which the log and the wire name what went wrong.",
    "",
    ...table(["Code", "Name", "Meaning", "Errors"], rows),
  ];
}

function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heading), line(heading.map(() => "---")), ...rows.map(line), ""];
}

function fenced(lines: readonly string[], language = "sh"): string[] {
  return [`\`\`\`${language}`, ...lines, "```", ""];
}

function code(text: string): string {
  return `\`${text}\``;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Writes or checks the file; gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const wanted = cliDocs();
  if (!args.includes("--check")) {
    await Deno.writeTextFile(PATH, wanted);
    return 0;
  }
  if (await Deno.readTextFile(PATH) === wanted) return 0;
  const told = "docs/cli.md is stale: run deno run -A scripts/cli_docs.ts\n";
  await Deno.stderr.write(new TextEncoder().encode(told));
  return 1;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
