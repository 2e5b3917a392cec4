import { parseArgs } from "@std/cli";
import { SwarmdError } from "../base/errors.ts";
import type { Command, RawValues } from "./command.ts";
import { closest } from "./suggest.ts";
import { oneOf } from "./values.ts";

/** What a command line asks for. */
export type Invocation =
  | { readonly kind: "overview" }
  | { readonly kind: "help"; readonly topic: readonly string[] }
  | {
    readonly kind: "command";
    readonly command: Command;
    readonly raw: RawValues;
  };

/**
 * Understands a command line by the table: the command's words come first, its
 * options and arguments after them in any order. `--help` wins over everything.
 *
 * @throws {SwarmdError} `usage`, with what was probably meant
 */
export function parseCommandLine(
  argv: readonly string[],
  commands: readonly Command[],
): Invocation {
  if (argv.length === 0) return { kind: "overview" };
  if (argv[0] === "--version") return parseCommandLine(["version"], commands);
  const words = leadingWords(argv);
  const command = commands.find((each) => startsWith(words, each.path));
  if (asksForHelp(argv)) return helpFor(words, command, commands);
  if (!command) throw unknownCommand(argv, words, commands);
  const rest = argv.slice(command.path.split(" ").length);
  return { kind: "command", command, raw: readRaw(command, rest) };
}

/** The first words of all command paths, each once. */
export function groupsOf(commands: readonly Command[]): string[] {
  const grouped = commands.filter(({ path }) => path.includes(" "));
  return [...new Set(grouped.map(({ path }) => path.split(" ")[0] ?? ""))];
}

function leadingWords(argv: readonly string[]): string[] {
  const end = argv.findIndex((word) => word.startsWith("-"));
  return argv.slice(0, end < 0 ? argv.length : end);
}

function startsWith(words: readonly string[], path: string): boolean {
  return path.split(" ").every((word, i) => words[i] === word);
}

function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const ours = end < 0 ? argv : argv.slice(0, end);
  return ours.includes("--help") || ours.includes("-h");
}

function helpFor(
  words: readonly string[],
  command: Command | undefined,
  commands: readonly Command[],
): Invocation {
  const [first] = words;
  if (command) return { kind: "help", topic: command.path.split(" ") };
  if (first === undefined) return { kind: "help", topic: [] };
  if (groupsOf(commands).includes(first) && words.length === 1) {
    return { kind: "help", topic: [first] };
  }
  throw unknownCommand(words, words, commands);
}

function unknownCommand(
  argv: readonly string[],
  words: readonly string[],
  commands: readonly Command[],
): SwarmdError {
  const [first] = words;
  if (first === undefined) {
    return usage(
      `Cannot find a command: found "${
        argv[0]
      }", want the command before its options`,
      "`swarmd help` lists the commands",
    );
  }
  const members = commands.map(({ path }) => path)
    .filter((path) => path.startsWith(`${first} `));
  if (members.length > 0 && words.length === 1) {
    return usage(
      `Cannot run "${first}" alone: want ${oneOf(members)}`,
    );
  }
  const tried = members.length > 0 ? words.slice(0, 2).join(" ") : first;
  const meant = meantCommand(words, commands);
  return usage(
    `Cannot find the command "${tried}"`,
    meant === undefined
      ? "`swarmd help` lists the commands"
      : `Did you mean \`swarmd ${meant}\`?`,
  );
}

/** Also finds `node ls` for `ls`, and `worker join` for `join`. */
function meantCommand(
  words: readonly string[],
  commands: readonly Command[],
): string | undefined {
  const [first = ""] = words;
  const paths = commands.map(({ path }) => path);
  const last = paths.find((path) => path.split(" ").at(-1) === first);
  return last ??
    closest(words.slice(0, 2).join(" "), paths) ??
    closest(first, [...paths, ...groupsOf(commands)]);
}

function readRaw(command: Command, args: readonly string[]): RawValues {
  const names = Object.keys(command.options);
  const flags = names.filter((name) => !command.options[name]?.value);
  refuseFlagValues(flags, args);
  const valued = names.filter((name) => !flags.includes(name));
  const found = parseArgs(attachDashes(args, valued), {
    string: ["_", ...valued],
    boolean: flags,
    collect: names,
    alias: aliasesOf(command),
    unknown: (arg, key) => {
      if (key !== undefined) throw unknownOption(arg, command);
      return true;
    },
  });
  const options = Object.fromEntries(names.map((name) => {
    const given = found[name];
    return [name, Array.isArray(given) ? given.map(String) : []];
  }));
  for (const [name, texts] of Object.entries(options)) {
    checkOption(name, texts, command);
  }
  const words = found._.map(String);
  checkWords(words, command);
  return { options, words };
}

function aliasesOf(command: Command): Record<string, string[]> {
  const aliases: Record<string, string[]> = {};
  for (const [name, { short }] of Object.entries(command.options)) {
    if (short !== undefined) aliases[name] = [short];
  }
  return aliases;
}

/** `parseArgs` would take `--json=no` as `--json`. */
function refuseFlagValues(
  flags: readonly string[],
  args: readonly string[],
): void {
  for (const arg of args) {
    if (arg === "--") return;
    const [, name = ""] = /^--([^=]+)=/s.exec(arg) ?? [];
    if (!flags.includes(name)) continue;
    throw usage(`Cannot read "${arg}": --${name} takes no value`);
  }
}

/** `parseArgs` would take the `-` of `--token-file -` for an argument. */
function attachDashes(
  args: readonly string[],
  valued: readonly string[],
): string[] {
  const options = valued.map((name) => `--${name}`);
  const end = args.indexOf("--");
  const isValue = (i: number) =>
    args[i] === "-" && (end < 0 || i < end) &&
    options.includes(args[i - 1] ?? "");
  return args.flatMap((arg, i) =>
    isValue(i) ? [] : isValue(i + 1) ? [`${arg}=-`] : [arg]
  );
}

function unknownOption(arg: string, command: Command): SwarmdError {
  const [given = ""] = arg.split("=");
  const names = Object.keys(command.options).map((name) => `--${name}`);
  if (names.includes(given)) return missingValue(given, command);
  const meant = closest(given, [...names, "--help"]);
  return usage(
    `Cannot find the option "${given}" of \`swarmd ${command.path}\``,
    meant === undefined
      ? `\`swarmd ${command.path} --help\` lists its options`
      : `Did you mean ${meant}?`,
  );
}

function checkOption(
  name: string,
  texts: readonly string[],
  command: Command,
): void {
  const option = command.options[name];
  if (option?.value && texts.includes("")) {
    throw missingValue(`--${name}`, command);
  }
  if (texts.length > 1 && !option?.repeatable) {
    throw usage(`Cannot take --${name} ${texts.length} times: want it once`);
  }
}

function missingValue(option: string, command: Command): SwarmdError {
  const { value } = command.options[option.slice("--".length)] ?? {};
  return usage(
    `Cannot read ${option}: found no value, want ${option} ${value?.placeholder}`,
    `\`swarmd ${command.path} --help\` tells what it is`,
  );
}

function checkWords(words: readonly string[], command: Command): void {
  const specs = Object.values(command.arguments);
  const missing = specs.find((each, i) => !each.optional && i >= words.length);
  if (missing) {
    throw usage(
      `Cannot run \`swarmd ${command.path}\`: found no ${missing.value.placeholder}`,
      missing.help,
    );
  }
  const most = specs.at(-1)?.repeatable ? Infinity : specs.length;
  if (words.length > most) {
    throw usage(
      `Cannot run \`swarmd ${command.path}\`: found "${
        words[most]
      }", want nothing there`,
    );
  }
}

function usage(message: string, hint?: string): SwarmdError {
  return new SwarmdError("usage", message, {
    verdict: "stop",
    ...(hint === undefined ? {} : { hint }),
  });
}
