/** What one file takes from another of the project. */
export interface Import {
  /** Path of the other file, relative to the project. */
  readonly target: string;
  /** The exports that it uses; `*` stands for all. */
  readonly names: readonly string[];
}

/** What a file offers. */
export interface Export {
  readonly name: string;
  readonly isType: boolean;
  /** Whether the file itself speaks of it elsewhere. */
  readonly mentioned: boolean;
}

/** The outside of a source file. */
export interface Module {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
}

const FROM_REGEXP =
  /^(?:import|export)\s+(?:type\s+)?(\*(?:\s+as\s+\w+)?|(?:\w+\s*,?\s*)?(?:\{[^}]*\})?)\s*from\s*"([^"]+)"/gm;
const BARE_REGEXP = /^import\s+"([^"]+)"/gm;
/** No quote before it on its line: source texts in tests do not count. */
const DYNAMIC_REGEXP =
  /^[^"'`\n]*?(?:const\s*(\{[^}]*\})\s*=\s*await\s+)?import\(\s*"([^"]+)",?\s*\)/gm;
const DECLARED_REGEXP =
  /^export\s+(?:declare\s+|abstract\s+|async\s+)*(class|const|function\*?|interface|let|type)\s+(\w+)/gm;
const LISTED_REGEXP = /^export\s+(?:type\s+)?\{([^}]*)\}/gm;

/**
 * Reads imports and exports off a source text in the form that `deno fmt`
 * gives it, so that no parser is needed.
 *
 * @param path relative to the project
 */
export function parseModule(path: string, source: string): Module {
  const text = source.replace(/^\s*(?:\/?\*.*|\/\/.*)$/gm, "");
  return { path, imports: importsOf(path, text), exports: exportsOf(text) };
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, names: readonly string[]) => {
    const target = resolve(specifier, path);
    if (target !== undefined) found.push({ target, names });
  };
  for (const [, what = "", from = ""] of text.matchAll(FROM_REGEXP)) {
    add(from, namesTaken(what));
  }
  for (const [, from = ""] of text.matchAll(BARE_REGEXP)) add(from, []);
  for (const [, what = "*", from = ""] of text.matchAll(DYNAMIC_REGEXP)) {
    add(from, namesTaken(what.replaceAll(":", " as ")));
  }
  return found;
}

/** The exported names in `{ a, type B, c as d }`, or all. */
function namesTaken(what: string): string[] {
  if (what.startsWith("*")) return ["*"];
  const listed = /\{([^}]*)\}/.exec(what)?.[1] ?? "";
  const names = listedNames(listed).map(({ before }) => before);
  return /^\w/.test(what) ? ["default", ...names] : names;
}

function exportsOf(text: string): Export[] {
  const found: Export[] = [];
  for (const [, kind = "", name = ""] of text.matchAll(DECLARED_REGEXP)) {
    const isType = kind === "interface" || kind === "type";
    const uses = text.match(new RegExp(`\\b${name}\\b`, "g")) ?? [];
    found.push({ name, isType, mentioned: uses.length > 1 });
  }
  for (const [, listed = ""] of text.matchAll(LISTED_REGEXP)) {
    for (const { after } of listedNames(listed)) {
      found.push({ name: after, isType: false, mentioned: false });
    }
  }
  return found;
}

function listedNames(listed: string): { before: string; after: string }[] {
  return listed.split(",").map((item) => item.trim()).filter(Boolean).map(
    (item) => {
      const [before = "", after = before] = item.replace(/^type\s+/, "")
        .split(/\s+as\s+/);
      return { before, after };
    },
  );
}

/** A file of the project, or nothing for a package and the runtime's own. */
function resolve(specifier: string, importer: string): string | undefined {
  const linked = /^@std\/(\w+)$/.exec(specifier)?.[1];
  if (linked) return `lib/std/${linked}/mod.ts`;
  if (!specifier.startsWith(".") || !specifier.endsWith(".ts")) {
    return undefined;
  }
  return new URL(specifier, `file:///${importer}`).pathname.slice(1);
}
