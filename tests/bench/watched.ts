import process from "node:process";

/** What was seen while something was done, in milliseconds. */
export interface Watched<T> {
  readonly result: T;
  readonly wallMs: number;
  /** Longest time for which nobody else had a turn. */
  readonly longestMs: number;
  /**
   * Longest turn by processor time, of all threads: what others on this
   * machine took is not in it.
   */
  readonly longestCpuMs: number;
}

/** Watches how long nobody else had a turn, while something is done. */
export async function watched<T>(
  work: () => T | Promise<T>,
): Promise<Watched<T>> {
  const longest = { wall: 0, cpu: 0 };
  let last = now();
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      const present = now();
      longest.wall = Math.max(longest.wall, present.wall - last.wall);
      longest.cpu = Math.max(longest.cpu, present.cpu - last.cpu);
      last = present;
    }
  })();
  const began = performance.now();
  try {
    const result = await work();
    const wallMs = performance.now() - began;
    ended = true;
    await watching;
    const { wall: longestMs, cpu: longestCpuMs } = longest;
    return { result, wallMs, longestMs, longestCpuMs };
  } finally {
    ended = true;
  }
}

function now() {
  const { user, system } = process.cpuUsage();
  return { wall: performance.now(), cpu: (user + system) / 1_000 };
}
