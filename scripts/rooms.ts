/** The rooms that decide and never touch the world themselves. */
const CORE = ["base", "pki", "cluster", "rpc"];
const ADAPTERS = ["store", "signer", "net", "disk", "observe"];
const APPLICATIONS = ["manager", "worker"];

/**
 * What each room may import beside itself. A room that is not listed may not
 * exist; `tests` and `scripts` may import everything.
 */
export const ROOMS: ReadonlyMap<string, readonly string[]> = new Map<
  string,
  readonly string[]
>([
  ["base", []],
  ["pki", ["base", "std/crypto"]],
  ["cluster", ["base", "pki", "std/crypto"]],
  ["rpc", ["base", "pki", "cluster", "std/crypto"]],
  ...everyRoom(APPLICATIONS, [...CORE, "std/crypto"]),
  ...everyRoom(ADAPTERS, [...CORE, "std/crypto"]),
  [
    "cli",
    [...CORE, ...ADAPTERS, ...APPLICATIONS, "std/cli", "std/crypto"],
  ],
  ["main.ts", ["base", "cli"]],
  ...everyRoom(["std/assert", "std/cli", "std/crypto"], []),
]);

/** Rooms without ambient clock, randomness, timers, network, disk or output. */
export const PURE_ROOMS: readonly string[] = [...CORE, ...APPLICATIONS];

/**
 * The room that a file belongs to.
 *
 * @param path relative to the project, with `/`
 */
export function roomOf(path: string): string {
  const [top = "", room = "", part = ""] = path.split("/");
  if (top !== "lib") return top;
  return room === "std" ? `std/${part}` : room;
}

/** Why a room may not import another, or nothing. */
export function importProblem(from: string, to: string): string | undefined {
  if (from === to || from === "tests" || from === "scripts") return undefined;
  const allowed = ROOMS.get(from);
  if (!allowed) return `there is no room "${from}"`;
  if (allowed.includes(to)) return undefined;
  return `${from} may not import ${to}, only ${
    [...allowed, "itself"].join(", ")
  }`;
}

function everyRoom(
  rooms: readonly string[],
  allowed: readonly string[],
): [string, readonly string[]][] {
  return rooms.map((room) => [room, allowed]);
}
