import { childCommand } from "./child.ts";

/** A system call that changes what is on the disk. */
export interface WritePoint {
  /** Such as `fsync` or `renameat`. */
  readonly call: string;
  /** Its first path inside the state directory. */
  readonly path: string;
  /** Its other path, of a rename or a link. */
  readonly to: string | undefined;
  /** Which of the calls with that name and path it is, from 1. */
  readonly nth: number;
}

const WRITES =
  "openat,write,fsync,fdatasync,mkdir,rename,renameat,renameat2,symlink,symlinkat,link,linkat,unlink,unlinkat,rmdir,chmod,fchmodat,ftruncate";

/**
 * Runs a child under strace and gives its writes inside the state directory,
 * in order.
 *
 * @throws when the child fails
 */
export async function traceWrites(
  stateDir: string,
  action: string,
): Promise<WritePoint[]> {
  const log = await Deno.makeTempFile();
  try {
    const options = ["-y", "-e", `trace=${WRITES}`, "-o", log];
    const { success, stderr } = await strace(options, { stateDir, action });
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return parseLog(await Deno.readTextFile(log), stateDir);
  } finally {
    await Deno.remove(log);
  }
}

/** A child to run, and what to do to it at one of its writes. */
export interface Disturbance {
  readonly stateDir: string;
  readonly action: string;
  readonly effect: "signal=KILL" | "error=EIO";
}

/**
 * Runs a child and has it killed, or the system refuse, at the entry of one
 * write, which so does not happen.
 *
 * The write is named by its path: strace counts `when=` per thread, and the
 * runtime does its disk work on several in turn.
 */
export function disturbAt(
  { call, path, nth }: WritePoint,
  { effect, ...child }: Disturbance,
): Promise<Deno.CommandOutput> {
  const inject = `inject=${call}:${effect}:when=${nth}`;
  const options = ["-P", path, "-e", inject, "-o", "/dev/null"];
  return strace(options, child);
}

function strace(
  options: readonly string[],
  child: { readonly stateDir: string; readonly action: string },
): Promise<Deno.CommandOutput> {
  const command = childCommand(child.stateDir, child.action);
  return new Deno.Command("strace", {
    args: ["-f", "-qq", "-s", "4096", ...options, "--", ...command],
    env: { COUNT_UUIDS: "1" },
  }).output();
}

function parseLog(log: string, stateDir: string): WritePoint[] {
  const counts = new Map<string, number>();
  const points: WritePoint[] = [];
  for (const line of log.split("\n")) {
    const [, call = "", rest = ""] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? [];
    if (call === "openat" && !rest.includes("O_CREAT")) continue;
    const [path, to] = pathsIn(rest, stateDir);
    if (path === undefined) continue;
    const nth = (counts.get(`${call} ${path}`) ?? 0) + 1;
    counts.set(`${call} ${path}`, nth);
    points.push({ call, path, to, nth });
  }
  return points;
}

/** Quoted paths, and those of descriptors, inside the state directory. */
function pathsIn(text: string, stateDir: string): string[] {
  return [...text.matchAll(/"([^"]*)"|<([^>]*)>/g)]
    .map(([, quoted, descriptor]) => quoted ?? descriptor ?? "")
    .filter((path) => path === stateDir || path.startsWith(`${stateDir}/`));
}
