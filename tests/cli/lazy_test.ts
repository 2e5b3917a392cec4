import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const MAIN = new URL("main.ts", ROOT);

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    /** Absent where types alone are imported. */
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

type Graph = ReadonlyMap<string, readonly string[]>;

/** What each module loads at once, not when it gets to it. */
async function staticGraph(): Promise<Graph> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", MAIN.pathname],
    stderr: "null",
  });
  const { stdout } = await command.output();
  const { modules }: { modules: ModuleInfo[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  return new Map(modules.map(({ specifier, dependencies = [] }) => [
    specifier,
    dependencies.filter(({ isDynamic }) => !isDynamic)
      .flatMap(({ code }) => code?.specifier ?? []),
  ]));
}

/** Everything that is loaded when a module is, relative to the project. */
function loadedBy(graph: Graph, path: string): string[] {
  const loaded = new Set<string>();
  const left = [new URL(path, ROOT).href];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (loaded.has(next)) continue;
    loaded.add(next);
    left.push(...graph.get(next) ?? []);
  }
  return [...loaded].map((each) => each.replace(ROOT.href, "")).sort();
}

function roomsOf(paths: readonly string[]): string[] {
  const rooms = paths.map((path) => path.split("/").slice(0, 2).join("/"));
  return [...new Set(rooms)];
}

Deno.test("main.ts loads nothing that help does not need", async () => {
  const graph = await staticGraph();
  const loaded = loadedBy(graph, "main.ts");
  for (const room of ["lib/manager", "lib/worker", "lib/store", "lib/net"]) {
    assert(!roomsOf(loaded).includes(room), `${room}: ${loaded}`);
  }
  const foreign = loaded.filter((each) => /^(?:npm|node):/.test(each));
  assertEquals(foreign, []);
  assert(loaded.length < 60, String(loaded.length));
});

Deno.test("a worker loads nothing that only managers need, and a manager no worker", async () => {
  const graph = await staticGraph();
  const worker = loadedBy(graph, "lib/cli/worker_run.ts");
  const manager = loadedBy(graph, "lib/cli/manager_run.ts");
  for (const room of ["lib/manager", "lib/store", "lib/signer"]) {
    assert(!roomsOf(worker).includes(room), room);
  }
  for (const each of worker) {
    assert(
      !/^(?:npm:\/?@peculiar|npm:\/?reflect|node:sqlite)/.test(each),
      each,
    );
  }
  assert(!roomsOf(manager).includes("lib/worker"));
});
