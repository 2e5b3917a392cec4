import { SwarmdError } from "../base/errors.ts";
import type { Command } from "./command.ts";
import { ENVIRONMENT, IGNORED_ENVIRONMENT } from "./environment.ts";
import { EXIT_CODES, type ExitName, exitNumber } from "./exit_codes.ts";
import { argumentForm, optionForm, optionText, synopsis } from "./forms.ts";
import { formatTable, wrap } from "./output.ts";
import { groupsOf } from "./parse.ts";
import { bySubject } from "./subjects.ts";
import { closest } from "./suggest.ts";

/** Columns of a terminal that everybody has. */
const WIDTH = 80;
/** Widest left column; what is wider has its help on the next line. */
const MAX_LEFT = 28;

/** What `help` explains beside commands. */
const TOPICS: Readonly<Record<string, string>> = {
  "exit-codes": "what the exit codes mean",
  "environment": "the environment variables that swarmd looks at",
};

/**
 * Lines of help: on all commands, a group, a command, or a topic.
 *
 * @throws {SwarmdError} `usage` when there is no such thing
 */
export function helpOn(
  topic: readonly string[],
  commands: readonly Command[],
): string[] {
  const name = topic.join(" ");
  if (name === "") return overview(commands);
  if (name === "exit-codes") return exitCodeLines();
  if (name === "environment") return environmentLines();
  const command = commands.find(({ path }) => path === name);
  if (command) return commandHelp(command);
  const group = commands.filter(({ path }) => path.startsWith(`${name} `));
  if (group.length > 0) return groupHelp(name, group);
  throw unknownTopic(name, commands);
}

/** Lines that list all commands. */
export function overview(commands: readonly Command[]): string[] {
  return [
    "swarmd - trust for a cluster of machines: join tokens, mutual TLS, and",
    "certificates that rotate without anyone noticing",
    "",
    "Usage:",
    "  swarmd COMMAND [OPTIONS] [ARGUMENTS]",
    "",
    ...sections([
      ...bySubject(commands).map(({ title, commands }): Section => ({
        title,
        rows: commands.map(({ path, summary }) => [path, summary]),
      })),
      { title: "Topics of help", rows: Object.entries(TOPICS) },
    ]),
    "`swarmd help COMMAND` or `swarmd COMMAND --help` tells more.",
  ];
}

function commandHelp(command: Command): string[] {
  const words = Object.values(command.arguments);
  const options = Object.entries(command.options);
  return [
    `swarmd ${command.path} - ${command.summary}`,
    "",
    "Usage:",
    `  swarmd ${synopsis(command)}`,
    ...command.description.flatMap((text) => ["", ...wrap(text, WIDTH)]),
    ...section(
      "Arguments",
      words.map((each) => [argumentForm(each), each.help]),
    ),
    ...section(
      "Options",
      [
        ...options.map(([name, each]): [string, string] => [
          optionForm(name, each),
          optionText(each),
        ]),
        ["-h, --help", "Show this help"],
      ],
    ),
    "",
    "Examples:",
    ...command.examples.flatMap(({ line, help }) => [
      ...wrap(help, WIDTH - 4).map((text) => `  # ${text}`),
      `  ${line}`,
    ]),
    "",
    ...wrap(
      `Exit codes: ${exitList(command)}. See swarmd help exit-codes.`,
      WIDTH,
    ),
  ];
}

function groupHelp(name: string, group: readonly Command[]): string[] {
  return [
    `Usage:`,
    `  swarmd ${name} COMMAND [OPTIONS] [ARGUMENTS]`,
    "",
    "Commands:",
    ...columns(group.map(({ path, summary }) => [path, summary])),
    "",
    `\`swarmd help ${name} COMMAND\` tells more.`,
  ];
}

function exitList(command: Command): string {
  const names: ExitName[] = ["ok", "internal", "usage", ...command.exits];
  return names.map((name) => `${exitNumber(name)} ${name}`).join(", ");
}

function exitCodeLines(): string[] {
  const rows = Object.entries(EXIT_CODES).flatMap(([name, code]) => {
    const [first = "", ...more] = wrap(code.meaning, WIDTH - 28);
    return [
      [String(code.number), name, first],
      ...more.map((line) => ["", "", line]),
    ];
  });
  return formatTable(["CODE", "NAME", "MEANING"], rows);
}

function environmentLines(): string[] {
  return [
    "Environment variables:",
    ...columns(Object.entries(ENVIRONMENT)),
    "",
    ...wrap(IGNORED_ENVIRONMENT, WIDTH),
  ];
}

function unknownTopic(name: string, commands: readonly Command[]): SwarmdError {
  const paths = commands.map(({ path }) => path);
  const meant = closest(name, [
    ...paths,
    ...groupsOf(commands),
    ...Object.keys(TOPICS),
  ]);
  return new SwarmdError("usage", `Cannot find help on "${name}"`, {
    verdict: "stop",
    hint: meant === undefined
      ? "`swarmd help` lists the commands and topics"
      : `Did you mean \`swarmd help ${meant}\`?`,
  });
}

function section(title: string, rows: readonly Row[]): string[] {
  return rows.length === 0 ? [] : ["", `${title}:`, ...columns(rows)];
}

type Row = readonly [left: string, right: string];

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** One below the other, their columns as wide as those of all. */
function sections(all: readonly Section[]): string[] {
  const width = leftWidth(all.flatMap(({ rows }) => rows));
  return all.flatMap(({ title, rows }) => [
    `${title}:`,
    ...columns(rows, width),
    "",
  ]);
}

function leftWidth(rows: readonly Row[]): number {
  return Math.min(MAX_LEFT, Math.max(...rows.map(([left]) => left.length)));
}

/** Two columns, the right one wrapped. */
function columns(rows: readonly Row[], width = leftWidth(rows)): string[] {
  const indent = " ".repeat(width + 4);
  return rows.flatMap(([left, right]) => {
    const [first = "", ...more] = wrap(right, WIDTH - indent.length);
    const rest = more.map((line) => indent + line);
    return left.length > width
      ? [`  ${left}`, indent + first, ...rest]
      : [`  ${left.padEnd(width)}  ${first}`, ...rest];
  });
}
