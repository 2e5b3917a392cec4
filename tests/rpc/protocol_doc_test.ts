import { assert, assertEquals } from "@std/assert";
import { METHODS, PUSHES } from "../../lib/rpc/methods.ts";

const ROOT = new URL("../../", import.meta.url);
const EVERYONE = ["anonymous", "recovering", "worker", "manager"];

/** Cells of the only table that has a header, without their backticks. */
function tableOf(text: string, header: string): string[][] {
  const lines = text.split("\n").map(cellsOf);
  const starts = lines.flatMap((cells, i) =>
    cells.join(" | ") === header ? [i] : []
  );
  assertEquals(starts.length, 1, `tables with the header "${header}"`);
  const rows = lines.slice((starts[0] ?? 0) + 2);
  const end = rows.findIndex((cells) => cells.length === 0);
  return end < 0 ? rows : rows.slice(0, end);
}

/** None for a line that is not of a table. */
function cellsOf(line: string): string[] {
  if (!line.startsWith("|")) return [];
  return line.split("|").slice(1, -1).map((cell) =>
    cell.trim().replaceAll("`", "")
  );
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

const documentation = () => read("docs/protocol.md");

/** Source of every file of a room. */
async function sourcesOf(room: string): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isFile } of Deno.readDir(new URL(room, ROOT))) {
    if (isFile) texts.push(await read(`${room}/${name}`));
  }
  return texts.join("\n");
}

function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

Deno.test("docs/protocol.md has every method as METHODS has it, and no other", async () => {
  const rows = tableOf(await documentation(), "method | who | where | kind");
  const wanted = Object.entries(METHODS).map((
    [name, { callers, carriage, kind }],
  ) => {
    const all = EVERYONE.every((who) => callers.some((each) => each === who));
    return [name, all ? "anyone" : callers.join(", "), carriage, kind];
  });
  assertEquals(rows, wanted);
});

Deno.test("docs/protocol.md has every push as PUSHES has it, and no other", async () => {
  const rows = tableOf(await documentation(), "push | where | what it says");
  const told = rows.map(([name = "", where = ""]) => `${name} ${where}`);
  const wanted = Object.entries(PUSHES)
    .map(([name, { carriage }]) => `${name} ${carriage}`);
  assertEquals(told.toSorted(), wanted.toSorted());
});

Deno.test("docs/protocol.md has every path of the HTTP API, and who may read it", async () => {
  const rows = tableOf(await documentation(), "path | who");
  const source = await read("lib/manager/http_api.ts");
  const readers = [...source.matchAll(/"(\/v1\/[^"]*)": "(\w+)"/g)]
    .map(([, path, who]) => `GET ${path} ${who}`);
  const lists = found(source, /^const \w+ = "(\/v1\/[^"]*)";/gm)
    .map((path) => `GET ${path} anyone`);
  const told = rows.map(([path = "", who = ""]) =>
    `${path} ${who === "a manager's certificate" ? "manager" : who}`
  );
  assertEquals(told.toSorted(), [...readers, ...lists].toSorted());
});

/** Rows of the unix socket: whether it is changed there, the path, and where. */
async function socketRows() {
  const rows = tableOf(await documentation(), "path | on | what");
  return rows.map(([request = "", on = ""]) => {
    const [method = "", path = ""] = request.split(" ");
    return { method, path, on: on.split(", ") };
  });
}

Deno.test("docs/protocol.md has every action of the unix socket, and no other", async () => {
  const rows = await socketRows();
  for (const [room, on] of [["manager", "manager"], ["worker", "worker"]]) {
    const source = await sourcesOf(`lib/${room}`);
    const actions = found(source, /^ +"(\/v1\/[^"]*)": (?!"|\{)/gm);
    const told = rows
      .filter((row) => row.method === "POST" && row.on.includes(on ?? ""))
      .map(({ path }) => path);
    assertEquals(told.toSorted(), actions.toSorted(), room);
  }
});

Deno.test("docs/protocol.md has every path that the unix socket shows, and no other", async () => {
  const told = (await socketRows()).filter(({ method }) => method === "GET");
  const kinds = (on: string) =>
    new Set(
      told.filter((row) => row.on.includes(on))
        .map(({ path }) => path.split("/")[2] ?? ""),
    );
  const manager = await read("lib/manager/local_api.ts");
  assertEquals(
    kinds("manager"),
    new Set(found(manager, /\bkind === "(\w+)"/g)),
  );
  const names = new Set(found(manager, /\bname === "(\w+)"/g));
  const nested = told.map(({ path }) => path.split("/")[3])
    .filter((name) => name !== undefined && name !== "ID");
  assertEquals(new Set(nested), names);
  const worker = await read("lib/worker/local_api.ts");
  assertEquals(
    kinds("worker"),
    new Set(found(worker, /path === "\/v1\/(\w+)"/g)),
  );
  const locked = await read("lib/manager/locked_api.ts");
  assertEquals(
    kinds("locked"),
    new Set(found(locked, /path === "\/v1\/(\w+)"/g)),
  );
});

Deno.test("docs/protocol.md has every path that a command asks", async () => {
  const rows = await socketRows();
  const known = new Set(rows.map(({ path }) => path));
  const asked = found(await sourcesOf("lib/cli"), /["`](\/v1\/[^"`?]+)["`]/g);
  assert(asked.length > 20, String(asked.length));
  for (const path of asked) {
    const [before = "", after] = path.split("${");
    const fits = after === undefined
      ? known.has(path)
      : [...known].some((each) => each.startsWith(before));
    assert(fits, path);
  }
});
