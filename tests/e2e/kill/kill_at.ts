import type { Ended, StartOptions, Swarmd } from "../harness.ts";
import {
  type Told,
  TraceReader,
  type WritePoint,
  WRITES,
} from "./write_points.ts";

/** A run of the program that writes to a state directory. */
export interface Run {
  readonly stateDir: string;
  start(options: StartOptions): Swarmd;
  /** Until it is to be asked to end. */
  drive(swarmd: Swarmd): Promise<unknown>;
  /** Whether what it writes now is to be recorded; always, where left out. */
  matters?(): boolean;
}

/**
 * So many opened files of each thread are watched. The main thread opens some
 * 600 while the program is loaded, and stopping at one costs a millisecond; in
 * the state directory other threads open files, a dozen each.
 */
const WATCHED_OPENS = 40;

/**
 * Lets a run come to its end and gives what it wrote, in order.
 *
 * @throws when it fails
 */
export async function recordWrites(run: Run): Promise<WritePoint[]> {
  const points: WritePoint[] = [];
  const options = ["-e", `trace=${WRITES}`];
  const look = ({ point }: Told) => {
    if (point && (run.matters?.() ?? true)) points.push(point);
  };
  await traced(run, { options, look });
  return points;
}

/**
 * Kills a run (SIGKILL) at one of its writes.
 *
 * strace counts for `when=` the calls of each thread by themselves, and the
 * runtime works on files with several threads in turn. So only the store,
 * which one thread writes, is left to strace alone. Elsewhere strace stops the
 * process after each write, and whoever reads what it tells lets the process
 * go on, or kills it.
 *
 * @returns whether it was killed there; seldom, two threads that write at once
 * hide one stop
 */
export function killAt(run: Run, target: WritePoint): Promise<boolean> {
  return target.place.startsWith("swarmd.db")
    ? killBefore(run, target)
    : killAfter(run, target);
}

/** At the entry of the call, which so does not happen. */
async function killBefore(
  run: Run,
  { call, place, nth }: WritePoint,
): Promise<boolean> {
  const path = `${run.stateDir}/${place}`;
  const inject = `inject=${call}:signal=KILL:when=${nth}`;
  const { signal } = await traced(run, { options: ["-P", path, "-e", inject] });
  return signal === "SIGKILL";
}

async function killAfter(run: Run, target: WritePoint): Promise<boolean> {
  const calls = WRITES.filter((call) => call !== "openat");
  const options = [
    ...["-e", `trace=${WRITES}`],
    ...["-e", `inject=openat:signal=STOP:when=1..${WATCHED_OPENS}`],
    ...["-e", `inject=${calls}:signal=STOP`],
  ];
  const stops = new Stops(target);
  const look = (told: Told, swarmd: Swarmd) => {
    const next = stops.next(told);
    if (next === "kill") swarmd.signal("SIGKILL");
    // Not always the same process: in one file, the program has a launcher.
    if (next === "go on") goOn(Number(told.thread));
  };
  const { signal } = await traced(run, { options, look });
  return signal === "SIGKILL";
}

function goOn(thread: number): void {
  try {
    Deno.kill(thread, "SIGCONT");
  } catch (error) {
    // Told late: it has ended meanwhile.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What to do with a process that stops after each of its writes. */
class Stops {
  readonly #target: WritePoint;
  readonly #stopping = new Set<string>();
  /** Threads that wrote, and do not stand still yet. */
  readonly #written = new Set<string>();
  #due = false;
  #reached = false;

  constructor(target: WritePoint) {
    this.#target = target;
  }

  next({ thread, kind, point }: Told): "go on" | "kill" | undefined {
    if (kind === "stopping") this.#stopping.add(thread);
    if (point && !point.place.startsWith("swarmd.db")) {
      this.#written.add(thread);
      this.#reached ||= isSame(point, this.#target);
    }
    if (kind !== "stopped") return undefined;
    this.#written.delete(thread);
    // The others stop because this one does; they tell so, also too late.
    if (this.#stopping.delete(thread)) this.#due = true;
    // SIGCONT takes back every SIGSTOP that has not worked yet.
    if (!this.#due || this.#written.size > 0) return undefined;
    this.#due = false;
    return this.#reached ? "kill" : "go on";
  }
}

function isSame(a: WritePoint, b: WritePoint): boolean {
  return a.call === b.call && a.place === b.place && a.nth === b.nth;
}

interface Tracing {
  /** For strace. */
  readonly options: readonly string[];
  /** Is called in the moment that strace tells. */
  readonly look?: (told: Told, swarmd: Swarmd) => void;
}

/**
 * Drives a run under strace.
 *
 * @throws when it does not come to its end, unless it was killed
 */
async function traced(
  run: Run,
  { options, look = () => {} }: Tracing,
): Promise<Ended> {
  await using pipe = await Pipe.make();
  // -D: the child is the program, and not strace.
  const args = ["-D", "-f", "-qq", "-y", "-s", "0", "-o", pipe.path];
  await using swarmd = run.start({
    under: (command) => ["strace", ...args, ...options, "--", ...command],
  });
  const reader = new TraceReader(run.stateDir);
  const reading = pipe.eachLine((line) => {
    const told = reader.read(line);
    if (told) look(told, swarmd);
  });
  try {
    return await driven(run, swarmd);
  } finally {
    await swarmd.kill();
    await pipe.release();
    await reading;
  }
}

async function driven(run: Run, swarmd: Swarmd): Promise<Ended> {
  try {
    await run.drive(swarmd);
    swarmd.signal("SIGTERM");
    return await swarmd.waitForEnd();
  } catch (error) {
    const end = await swarmd.waitForEnd({ timeoutMs: 1_000 }).catch(() => {});
    // Who was killed is not asked why it did not do the rest.
    if (end?.signal === "SIGKILL") return end;
    throw error;
  }
}

/** Through which strace tells, while the program runs. */
class Pipe implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.path = `${folder}/trace`;
  }

  static async make(): Promise<Pipe> {
    const folder = await Deno.makeTempDir({ prefix: "swarmd-trace-" });
    const pipe = new Pipe(folder);
    await new Deno.Command("mkfifo", { args: [pipe.path] }).output();
    return pipe;
  }

  /** Until whoever writes has ended. */
  async eachLine(take: (line: string) => void): Promise<void> {
    // Waits until somebody opens it to write.
    const file = await Deno.open(this.path);
    let rest = "";
    for await (
      const text of file.readable.pipeThrough(new TextDecoderStream())
    ) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line);
    }
  }

  /** Lets a reader go on that nobody has written to. */
  async release(): Promise<void> {
    (await Deno.open(this.path, { read: true, write: true })).close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
