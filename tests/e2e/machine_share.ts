/** Ticks of processor time that were spent since the machine started. */
interface Spent {
  /** By everything that runs on it. */
  readonly all: number;
  /** By this process, the children that it waited for, and those named. */
  readonly own: number;
  /** Spent or idle, on all cores. */
  readonly total: number;
}

/** However busy others are, a test has some of the machine. */
const LEAST_SHARE = 0.25;

/**
 * Measures how much of a machine other programs leave to a test, so that what
 * it must reach with two cores to itself is not asked of it with half of one.
 */
export class MachineShare {
  readonly #pids: readonly number[];
  readonly #before: Spent;

  constructor(pids: readonly number[], before: Spent) {
    this.#pids = pids;
    this.#before = before;
  }

  /** Counts as own what this process and these others use, from now on. */
  static async start(...pids: number[]): Promise<MachineShare> {
    return new MachineShare(pids, await spent(pids));
  }

  /** What no others used since the start: 1 where they used nothing. */
  async left(): Promise<number> {
    const before = this.#before;
    const { all, own, total } = await spent(this.#pids);
    const others = (all - before.all) - (own - before.own);
    const share = 1 - Math.max(0, others) / (total - before.total);
    return Math.max(LEAST_SHARE, share);
  }
}

async function spent(pids: readonly number[]): Promise<Spent> {
  const [line = ""] = (await Deno.readTextFile("/proc/stat")).split("\n");
  // proc_stat(5): user nice system idle iowait irq softirq steal; what follows
  // is part of the first two.
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const [, , , idle = 0, waiting = 0] = ticks;
  const total = ticks.reduce((sum, each) => sum + each, 0);
  const own = await Promise.all([Deno.pid, ...pids].map(ticksOf));
  return {
    all: total - idle - waiting,
    own: own.reduce((sum, each) => sum + each, 0),
    total,
  };
}

/** utime, stime, cutime and cstime of proc_pid_stat(5). */
async function ticksOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0);
}
