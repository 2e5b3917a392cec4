/** A system call of the program that changes its state directory. */
export interface WritePoint {
  /** Such as `fsync` or `rename`. */
  readonly call: string;
  /** Path below the state directory, what is random in it as `*`. */
  readonly place: string;
  /** Which of the calls with that name and place it is, from 1. */
  readonly nth: number;
}

/** What a line of strace tells of a thread. */
export interface Told {
  readonly thread: string;
  /** `stopping`: it took the signal; `stopped`: it stands still. */
  readonly kind: "written" | "stopping" | "stopped";
  /** What was `written`. */
  readonly point?: WritePoint;
}

/** The calls that change what is on a disk. */
export const WRITES: readonly string[] = [
  ...["openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate"],
  ...["mkdir", "rename", "renameat", "renameat2", "symlink", "symlinkat"],
  ...["link", "linkat", "unlink", "unlinkat", "rmdir"],
  ...["chmod", "fchmod", "fchmodat", "bind"],
];

/** A kill after one of them leaves what a kill before it leaves. */
const WITHOUT_TRACE = ["fsync", "fdatasync", "chmod"];
/** The second time, it is there. */
const MAKES_STORE = "openat swarmd.db";

/** A point's name in reports, without its number. */
export function labelOf({ call, place }: WritePoint): string {
  return `${call} ${place}`;
}

/**
 * The points to kill at: every label once, and every further point where a
 * kill may leave something else; of many alike in a row, the first and the
 * last.
 */
export function pointsToTry(points: readonly WritePoint[]): WritePoint[] {
  const labels = points.map(labelOf);
  return points.filter(({ call }, i) => {
    const label = labels[i] ?? "";
    if (labels.indexOf(label) === i) return true;
    const amid = labels[i - 1] === label && labels[i + 1] === label;
    return !amid && !WITHOUT_TRACE.includes(call) && label !== MAKES_STORE;
  });
}

/** Reads what `strace -f -y` writes, line by line. */
export class TraceReader {
  readonly #stateDir: string;
  readonly #counts = new Map<string, number>();
  /** By thread: what it has begun and strace told only the beginning of. */
  readonly #begun = new Map<string, string>();

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  read(line: string): Told | undefined {
    const [, thread = "", text = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (text.startsWith("--- SIGSTOP ")) return { thread, kind: "stopping" };
    if (text.startsWith("--- stopped ")) return { thread, kind: "stopped" };
    const point = this.#pointOf(this.#wholeCall(thread, text));
    return point && { thread, kind: "written", point };
  }

  /** Calls of several threads at a time are told in two halves. */
  #wholeCall(thread: string, text: string): string {
    const [, first] = /^(.*) <unfinished \.\.\.>$/.exec(text) ?? [];
    if (first !== undefined) this.#begun.set(thread, first);
    const [, second] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? [];
    return second === undefined ? text : this.#begun.get(thread) + second;
  }

  /** A call that was done, and changed something in the state directory. */
  #pointOf(text: string): WritePoint | undefined {
    const [, call = "", args = ""] = /^(\w+)\((.*)\) += \d/.exec(text) ?? [];
    if (!WRITES.includes(call)) return undefined;
    if (call === "openat" && !args.includes("O_CREAT")) return undefined;
    const place = this.#placesIn(args).at(call.startsWith("rename") ? 1 : 0);
    if (place === undefined) return undefined;
    const label = `${call} ${place}`;
    const nth = (this.#counts.get(label) ?? 0) + 1;
    this.#counts.set(label, nth);
    return { call, place, nth };
  }

  /** Quoted paths, and those of descriptors, in the state directory. */
  #placesIn(args: string): string[] {
    return [...args.matchAll(/"([^"]*)"|<([^>]*)>/g)]
      .map(([, quoted, descriptor]) => quoted ?? descriptor ?? "")
      .filter((path) => `${path}/`.startsWith(`${this.#stateDir}/`))
      .map((path) => path.slice(this.#stateDir.length + 1) || ".")
      .map((path) => path.replace(/(?<=\.swarmd-tmp-)[0-9a-f-]{36}/, "*"))
      .map((path) => path.replace(/(?<=^identities\/)\d+-[0-9a-f]{8}/, "*"));
  }
}
