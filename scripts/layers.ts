// deno-lint-ignore-file no-console -- a report for a terminal
import { type Module, parseModule } from "./modules.ts";
import { importProblem, roomOf } from "./rooms.ts";

const ENTRY = "main.ts";
/** What is there for tests alone. */
const TEST_ROOMS: ReadonlySet<string> = new Set(["std/assert"]);

/** One thing that is wrong: where, by which rule, and what. */
export interface Violation {
  readonly path: string;
  readonly rule: "import" | "cycle" | "missing" | "unreached" | "unused";
  readonly detail: string;
}

/**
 * Checks a whole source tree.
 *
 * @param sources texts by path, relative to the project
 */
export function checkTree(sources: ReadonlyMap<string, string>): Violation[] {
  const modules = new Map(
    [...sources].map(([path, text]) => [path, parseModule(path, text)]),
  );
  if (!modules.has(ENTRY)) {
    return [{ path: ENTRY, rule: "missing", detail: "there is no such file" }];
  }
  return [
    ...forbiddenImports(modules),
    ...cycles(modules),
    ...unreached(modules),
    ...unused(modules),
  ];
}

type Modules = ReadonlyMap<string, Module>;

function forbiddenImports(modules: Modules): Violation[] {
  const found: Violation[] = [];
  for (const { path, imports } of modules.values()) {
    for (const { target } of imports) {
      const detail = modules.has(target)
        ? importProblem(roomOf(path), roomOf(target))
        : `"${target}" does not exist`;
      if (detail) found.push({ path, rule: "import", detail });
    }
  }
  return found;
}

/** Walks depth first; what is still open when it is met again is a cycle. */
function cycles(modules: Modules): Violation[] {
  const found: Violation[] = [];
  const done = new Set<string>();
  const visit = (path: string, open: readonly string[]) => {
    const at = open.indexOf(path);
    if (at >= 0) {
      const detail = [...open.slice(at), path].join(" -> ");
      found.push({ path, rule: "cycle", detail });
    }
    if (at >= 0 || done.has(path)) return;
    for (const target of targetsOf(modules, path)) {
      visit(target, [...open, path]);
    }
    done.add(path);
  };
  for (const path of modules.keys()) visit(path, []);
  return found;
}

function unreached(modules: Modules): Violation[] {
  const found: Violation[] = [];
  const fromEntry = reachable(modules, [ENTRY]);
  const fromAll = reachable(modules, [
    ENTRY,
    ...[...modules.keys()].filter(isUserOnly),
  ]);
  for (const path of modules.keys()) {
    if (!path.startsWith("lib/")) continue;
    const forTests = TEST_ROOMS.has(roomOf(path));
    if ((forTests ? fromAll : fromEntry).has(path)) continue;
    const detail = forTests
      ? "no test imports it, directly or not"
      : `${ENTRY} does not import it, directly or not`;
    found.push({ path, rule: "unreached", detail });
  }
  return found;
}

/**
 * What neither another file of the program nor its own file uses is dead, also
 * where tests use it. Types and what tests look at may serve their own file.
 */
function unused(modules: Modules): Violation[] {
  const byProgram = usedBy(modules, (path) => !isUserOnly(path));
  const byTests = usedBy(modules, isUserOnly);
  const found: Violation[] = [];
  for (const { path, exports } of modules.values()) {
    if (!path.startsWith("lib/") || byProgram.has(`${path}#*`)) continue;
    for (const { name, isType, mentioned } of exports) {
      const key = `${path}#${name}`;
      const serves = mentioned && (isType || byTests.has(key));
      if (serves || byProgram.has(key)) continue;
      if (TEST_ROOMS.has(roomOf(path)) && byTests.has(key)) continue;
      const detail = `nothing in the program uses "${name}"`;
      found.push({ path, rule: "unused", detail });
    }
  }
  return found;
}

/** What some of the files import, as `path#name`. */
function usedBy(
  modules: Modules,
  includes: (path: string) => boolean,
): Set<string> {
  const used = new Set<string>();
  for (const { path, imports } of modules.values()) {
    // The tests of the assertions are no reason to have them.
    if (!includes(path) || path.startsWith("tests/std/")) continue;
    for (const { target, names } of imports) {
      for (const name of names) used.add(`${target}#${name}`);
    }
  }
  return used;
}

/** Tests and scripts use the program and are no part of it. */
function isUserOnly(path: string): boolean {
  return path !== ENTRY && !path.startsWith("lib/");
}

function reachable(modules: Modules, roots: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const left = [...roots];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    left.push(...targetsOf(modules, path));
  }
  return reached;
}

function targetsOf(modules: Modules, path: string): string[] {
  return (modules.get(path)?.imports ?? []).map(({ target }) => target);
}

async function readSources(root: URL): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const read = async (path: string) => {
    sources.set(path, await Deno.readTextFile(new URL(path, root)));
  };
  const walk = async (folder: string) => {
    for await (
      const { name, isDirectory } of Deno.readDir(new URL(folder, root))
    ) {
      if (isDirectory) await walk(`${folder}${name}/`);
      else if (name.endsWith(".ts")) await read(`${folder}${name}`);
    }
  };
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    const source = ["lib", "scripts", "tests"].includes(name);
    if (isDirectory && source) await walk(`${name}/`);
    else if (name === ENTRY) await read(name);
  }
  return sources;
}

if (import.meta.main) {
  const sources = await readSources(new URL("..", import.meta.url));
  const violations = checkTree(sources);
  for (const { path, rule, detail } of violations) {
    console.error(`${path}: ${rule}: ${detail}`);
  }
  console.error(`Checked ${sources.size} files: ${violations.length} problems`);
  if (violations.length > 0) Deno.exitCode = 1;
}
