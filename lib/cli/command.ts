import type { Environment } from "../disk/state_directory.ts";
import type { ExitName } from "./exit_codes.ts";
import type { Output } from "./output.ts";
import { readValue, type Value } from "./values.ts";

/** What a command may use of the process around it. */
export interface Host {
  readonly output: Output;
  readonly env: Environment;
  /** Wall clock, in milliseconds. */
  readonly now: () => number;
  /** User number; `null` where the system has none. */
  readonly uid: () => number | null;
  /** Asks a person for a secret; `null` when nobody is there to ask. */
  readonly askSecret: (message: string) => string | null;
  /**
   * The first line of standard input; `null` when that is a terminal.
   *
   * @throws {SwarmdError} `disk`
   */
  readonly readInput: () => Promise<string | null>;
}

/** An option, and the type of what it gives. */
export interface Option<T> {
  readonly help: string;
  /** Absent: a flag. */
  readonly value?: Value<unknown>;
  readonly repeatable?: boolean;
  /** One letter. */
  readonly short?: string;
  /** For help: what counts when it is absent. */
  readonly defaultText?: string;
  /**
   * Takes what was given, in order; for a flag one text each time.
   *
   * @param name how it is called in errors
   * @throws {SwarmdError} `usage`
   */
  read(texts: readonly string[], name: string): T;
}

/** A positional argument, and the type of what it gives. */
export interface Argument<T> {
  readonly help: string;
  readonly value: Value<unknown>;
  readonly optional?: boolean;
  readonly repeatable?: boolean;
  /** As {@linkcode Option.read}; an argument that must be there is there. */
  read(texts: readonly string[], name: string): T;
}

type Options = Readonly<Record<string, Option<unknown>>>;
type Arguments = Readonly<Record<string, Argument<unknown>>>;
type Given<S> = {
  readonly [K in keyof S]: S[K] extends { read(...a: never): infer T } ? T
    : never;
};

/** An example of a command, and what it does. */
export interface Example {
  /** As typed, without a prompt. */
  readonly line: string;
  readonly help: string;
}

/** A command as help, documentation and dispatch see it. */
export interface Command {
  /** Such as `node ls`. */
  readonly path: string;
  /** Lower-case, imperative, without a period. */
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly options: Options;
  readonly arguments: Arguments;
  readonly examples: readonly [Example, ...Example[]];
  /** Beside ok, internal and usage. */
  readonly exits: readonly ExitName[];
  /** Whether it may start other processes; every other one gives it up. */
  readonly startsProcesses: boolean;
  /** Reads what was given, then gives what runs it: usage errors come first. */
  prepare(given: RawValues): (host: Host) => Promise<number>;
}

/** What was given, as text, by name; arguments in order. */
export interface RawValues {
  readonly options: Readonly<Record<string, readonly string[]>>;
  readonly words: readonly string[];
}

/** What a command is made of. */
export interface CommandSpec<O extends Options, A extends Arguments> {
  readonly path: string;
  readonly summary: string;
  readonly description: readonly string[];
  readonly options: O;
  readonly arguments: A;
  readonly examples: readonly [Example, ...Example[]];
  readonly exits: readonly ExitName[];
  readonly startsProcesses?: boolean;
  /** Loads what it needs, only then. Gives the exit code. */
  run(given: Given<O> & Given<A>, host: Host): Promise<number>;
}

/** Makes an entry of the table, binding types of values to their options. */
export function command<O extends Options, A extends Arguments>(
  spec: CommandSpec<O, A>,
): Command {
  return {
    ...spec,
    startsProcesses: spec.startsProcesses ?? false,
    prepare(raw) {
      const given = {
        ...readOptions(spec.options, raw),
        ...readArguments(spec.arguments, raw),
      };
      // Each name was read by the very option that gives the name its type.
      return (host) => spec.run(given as Given<O> & Given<A>, host);
    },
  };
}

/** An option without a value. */
export function flag(help: string, short?: string): Option<boolean> {
  return {
    help,
    ...(short === undefined ? {} : { short }),
    read: (texts) => texts.length > 0,
  };
}

/** What help says of an option beside its text. */
interface Described {
  /** What counts when the option is absent. */
  readonly defaultText?: string;
}

/** An option with one value. */
export function option<T>(
  value: Value<T>,
  help: string,
  { defaultText }: Described = {},
): Option<T | undefined> {
  return {
    help,
    value,
    ...(defaultText === undefined ? {} : { defaultText }),
    read: ([given], name) =>
      given === undefined ? undefined : readValue(value, { name, given }),
  };
}

/** An option that may be given several times. */
export function repeated<T>(
  value: Value<T>,
  help: string,
  { defaultText }: Described = {},
): Option<readonly T[]> {
  return {
    help,
    value,
    repeatable: true,
    ...(defaultText === undefined ? {} : { defaultText }),
    read: (texts, name) =>
      texts.map((given) => readValue(value, { name, given })),
  };
}

/** An argument that must be there. */
export function required<T>(value: Value<T>, help: string): Argument<T> {
  return {
    help,
    value,
    read: ([given = ""], name) => readValue(value, { name, given }),
  };
}

/** An argument that may be there. */
export function optional<T>(
  value: Value<T>,
  help: string,
): Argument<T | undefined> {
  return {
    help,
    value,
    optional: true,
    read: ([given], name) =>
      given === undefined ? undefined : readValue(value, { name, given }),
  };
}

/** One argument or more; with `optional`, none is enough. */
export function several<T>(
  value: Value<T>,
  help: string,
  { optional = false }: { readonly optional?: boolean } = {},
): Argument<readonly T[]> {
  return {
    help,
    value,
    optional,
    repeatable: true,
    read: (texts, name) =>
      texts.map((given) => readValue(value, { name, given })),
  };
}

function readOptions(options: Options, raw: RawValues) {
  return Object.fromEntries(
    Object.entries(options).map(([name, each]) => {
      const texts = raw.options[name] ?? [];
      return [name, each.read(texts, `--${name}`)];
    }),
  );
}

/** The last argument takes what is left; the parser has counted the words. */
function readArguments(specs: Arguments, raw: RawValues) {
  return Object.fromEntries(
    Object.entries(specs).map(([name, each], i) => {
      const words = each.repeatable
        ? raw.words.slice(i)
        : raw.words.slice(i, i + 1);
      return [name, each.read(words, each.value.placeholder)];
    }),
  );
}
