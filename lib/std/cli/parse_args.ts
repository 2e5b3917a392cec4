/** What {@linkcode parseArgs} found, by option name. */
export interface Args {
  [name: string]: unknown;
  /** What belongs to no option. */
  _: Array<string | number>;
}

/** What {@linkcode parseArgs} should know about the options. */
export interface ParseOptions {
  /** Whether what follows `--` goes to `"--"` instead of `_`. */
  "--"?: boolean;
  /** Other names of an option, by its name. */
  alias?: Record<string, string | readonly string[]>;
  /** Options without a value. They are `false` when absent. */
  boolean?: string | readonly string[];
  /** Values of options that are absent. */
  default?: Record<string, unknown>;
  /** Whether all that follows the first word that is no option is left alone. */
  stopEarly?: boolean;
  /** Options whose value is text, also where it looks like a number. */
  string?: string | readonly string[];
  /** Options that may be repeated: their values are a list, at least `[]`. */
  collect?: string | readonly string[];
  /** Options that `--no-name` sets to `false`. */
  negatable?: string | readonly string[];
  /** Hears of every option not named above, and drops it by `false`. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Value = string | number | boolean;

interface Option {
  /** The argument as it was given. */
  readonly arg: string;
  readonly key: string;
  readonly value: Value;
  /** Whether the value replaces a list instead of joining it. */
  readonly alone?: boolean;
}

const LONG_REGEXP = /^--(?<no>no-)?(?<key>.+?)(?:=(?<value>.*))?$/s;
const NUMBER_TAIL_REGEXP = /-?\d+(?:\.\d*)?(?:e-?\d+)?$/;

/**
 * Reads a command line: `--name value`, `--name=value`, `-n value`, `-n5`,
 * `-abc`, and words. A word or value that looks like a number becomes one
 * unless its option (for words: `_`) is listed in `string`.
 *
 * The types of the options are `unknown` here, where `@std/cli` infers them;
 * names with dots are not split into objects.
 */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  return new Parser(options).parse(args);
}

class Parser {
  readonly #options: ParseOptions;
  readonly #aliases: ReadonlyMap<string, readonly string[]>;
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #found: Args = { _: [] };

  constructor(options: ParseOptions) {
    this.#options = options;
    this.#aliases = aliasMap(options.alias ?? {});
    this.#booleans = this.#withAliases(options.boolean);
    this.#strings = this.#withAliases(options.string);
    this.#collected = this.#withAliases(options.collect);
    this.#negatable = this.#withAliases(options.negatable);
  }

  parse(args: readonly string[]): Args {
    const end = args.indexOf("--");
    const rest = end < 0 ? [] : args.slice(end + 1);
    this.#parseAll(end < 0 ? args : args.slice(0, end));
    this.#setDefaults();
    if (this.#options["--"]) this.#found["--"] = rest;
    else this.#found._.push(...rest);
    return this.#found;
  }

  #parseAll(args: readonly string[]): void {
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] ?? "";
      const next = args[i + 1];
      if (LONG_REGEXP.test(arg)) i += this.#long(arg, next);
      else if (/^-./s.test(arg)) i += this.#short(arg, next);
      else {
        this.#word(arg);
        if (!this.#options.stopEarly) continue;
        this.#found._.push(...args.slice(i + 1));
        return;
      }
    }
  }

  /** The number of further arguments that were used up. */
  #long(arg: string, next: string | undefined): number {
    const { no = "", key = "", value } = LONG_REGEXP.exec(arg)?.groups ?? {};
    if (value !== undefined) {
      const flag = this.#booleans.has(key);
      this.#set({ arg, key, value: flag ? value !== "false" : value });
      return 0;
    }
    if (no && this.#negatable.has(key)) {
      this.#set({ arg, key, value: false, alone: true });
      return 0;
    }
    const option = { arg, key: no + key };
    return this.#setFromNext(option, next?.startsWith("-") ? "" : next);
  }

  #short(arg: string, next: string | undefined): number {
    const letters = arg.slice(1).split("");
    const last = letters.pop() ?? "";
    for (const [i, key] of letters.entries()) {
      const tail = arg.slice(i + 2);
      const value = attachedValue(key, tail);
      if (value !== undefined) {
        this.#set({ arg, key, value });
        return 0;
      }
      this.#set({ arg, key, value: tail === "-" ? tail : this.#bare(key) });
    }
    if (last === "-") return 0;
    const optionLike = next !== undefined && /^--?[^-]/.test(next);
    return this.#setFromNext({ arg, key: last }, optionLike ? "" : next);
  }

  #setFromNext(
    option: { readonly arg: string; readonly key: string },
    next: string | undefined,
  ): number {
    const { key } = option;
    if (next && !this.#booleans.has(key)) {
      this.#set({ ...option, value: next });
      return 1;
    }
    if (next === "true" || next === "false") {
      this.#set({ ...option, value: next === "true" });
      return 1;
    }
    this.#set({ ...option, value: this.#bare(key) });
    return 0;
  }

  #bare(key: string): Value {
    return this.#strings.has(key) ? "" : true;
  }

  #word(arg: string): void {
    if (this.#options.unknown?.(arg) === false) return;
    this.#found._.push(this.#strings.has("_") ? arg : numberOr(arg));
  }

  #set(option: Option): void {
    const { arg, key, value, alone = false } = option;
    if (
      !this.#knows(key) && this.#options.unknown?.(arg, key, value) === false
    ) {
      return;
    }
    const literal = typeof value !== "string" || this.#strings.has(key);
    this.#put(key, literal ? value : numberOr(value), alone);
  }

  #knows(key: string): boolean {
    return this.#booleans.has(key) || this.#strings.has(key) ||
      this.#collected.has(key) || this.#aliases.has(key);
  }

  #put(key: string, value: Value, alone: boolean): void {
    const listed = this.#collected.has(key) && !alone;
    for (const name of [key, ...this.#aliases.get(key) ?? []]) {
      const before = listed ? this.#found[name] : undefined;
      const list = Array.isArray(before) ? before : before ? [before] : [];
      this.#found[name] = listed ? [...list, value] : value;
    }
  }

  #setDefaults(): void {
    for (const [key, value] of Object.entries(this.#options.default ?? {})) {
      if (Object.hasOwn(this.#found, key)) continue;
      for (const name of [key, ...this.#aliases.get(key) ?? []]) {
        this.#found[name] = value;
      }
    }
    for (const name of [...this.#booleans, ...this.#strings]) {
      if (Object.hasOwn(this.#found, name)) continue;
      if (this.#collected.has(name)) this.#found[name] = [];
      else if (this.#booleans.has(name)) this.#found[name] = false;
    }
  }

  #withAliases(names: string | readonly string[] = []): Set<string> {
    const list = typeof names === "string" ? [names] : names;
    return new Set(
      list.flatMap((name) => [name, ...this.#aliases.get(name) ?? []]),
    );
  }
}

/** For every name of an option, its other names. */
function aliasMap(
  alias: Record<string, string | readonly string[]>,
): Map<string, readonly string[]> {
  const map = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(alias)) {
    const names = [key, ...typeof value === "string" ? [value] : value];
    for (const name of names) {
      map.set(name, names.filter((other) => other !== name));
    }
  }
  return map;
}

/** What stands directly behind a short option: `-n5`, `-n=5`, `-I/usr`. */
function attachedValue(letter: string, tail: string): string | undefined {
  if (tail === "=") return "";
  if (/[A-Za-z]/.test(letter)) {
    const value = /=(.+)/.exec(tail)?.[1];
    if (value !== undefined) return value;
    if (NUMBER_TAIL_REGEXP.test(tail)) return tail;
  }
  return tail.length > 1 && /^\W/.test(tail) ? tail : undefined;
}

function numberOr(text: string): string | number {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}
