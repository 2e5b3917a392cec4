/** What a child does when it is asked, by name. */
export type Actions = Readonly<
  Record<string, (asked: Readonly<Record<string, unknown>>) => unknown>
>;

/**
 * Serves the process that started this one: a line of JSON in, a line of JSON
 * out. Ends with its standard input.
 *
 * @param hello told once, first
 */
export async function serveParent(
  hello: unknown,
  actions: Actions,
): Promise<void> {
  await answer(hello);
  for await (const line of linesOf(Deno.stdin.readable)) {
    const asked: { readonly action: string } = JSON.parse(line);
    const action = actions[asked.action];
    if (!action) throw new RangeError(`There is no action "${asked.action}"`);
    await answer(await action(asked) ?? {});
  }
}

/** The lines of a stream. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}

/** Does something so often, with so many at once. */
export async function inFlight(
  plan: { readonly count: number; readonly width: number },
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < plan.count) await work(next++);
  };
  await Promise.all(Array.from({ length: plan.width }, one));
}

/** Processor time of this process so far, in milliseconds. */
export function ownCpuMs(): number {
  return cpuMs(Deno.pid);
}

/** Processor time that a process has had so far, in milliseconds. */
export function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name, in parentheses, may hold anything; utime is the 14th field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks * TICK_MS;
}

/** Resident memory of a process, in kilobytes of 1,000 bytes. */
export function residentKb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
  return Number(kib) * 1.024;
}

/** USER_HZ is 100 on every Linux that Deno runs on. */
const TICK_MS = 10;

async function answer(value: unknown): Promise<void> {
  const line = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  for (let at = 0; at < line.length;) {
    at += await Deno.stdout.write(line.subarray(at));
  }
}
