import { Cluster } from "../e2e/cluster.ts";
import { Swarmd, TempFolder } from "../e2e/harness.ts";
import { residentKb } from "./child.ts";
import { type Figure, figure, median, short } from "./figure.ts";
import type { Machine } from "./machine.ts";
import { BenchProcess } from "./process.ts";

const STARTS = 7;
const WORKERS = 8;
const OUTAGE_MS = 10_000;
/** How long after its first renewal a worker is called idle. */
const IDLE_MS = 60_000;

/** What a raw dial costs beside a worker's start. */
export interface StartLimits {
  readonly machine: Machine;
  /** A single dial of the runtime, in ms. */
  readonly dialMs: number;
}

/** From the start of a worker's process until it is joined and connected. */
export async function benchStarts(
  limits: StartLimits,
  binary: string,
): Promise<Figure[]> {
  const { machine, dialMs } = limits;
  // A new root must be fetched, checked, and dialled again; then the session.
  const limit = machine.startMs + machine.firstKeyMs + 3 * dialMs;
  const figures: Figure[] = [];
  for (const form of ["bundle", "source"] as const) {
    await using cluster = await Cluster.start();
    const options = form === "bundle" ? { binary } : {};
    const times: number[] = [];
    for (let i = 0; i <= STARTS; i++) {
      const startedAt = performance.now();
      await cluster.connectedWorker(`worker-${i}`, options);
      // The first one unpacks, or compiles.
      if (i > 0) times.push(performance.now() - startedAt);
    }
    figures.push(figure({
      name: `process start to joined and connected, ${form}`,
      value: median(times),
      unit: "ms",
      target: { most: 300 },
      limit: { what: "raw", value: limit },
      note: `median of ${STARTS}; raw: start ${short(machine.startMs)} ms, ` +
        `first key ${short(machine.firstKeyMs)} ms, three dials of ${
          short(dialMs)
        } ms`,
    }));
  }
  return figures;
}

/** Resident memory of a worker from the bundle that has nothing to do. */
export async function benchIdleWorker(
  machine: Machine,
  { binary, quick }: { readonly binary: string; readonly quick: boolean },
): Promise<Figure[]> {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-bench-" });
  await using _folder = new TempFolder(folder);
  const args = [`--folder=${folder}`];
  await using manager = new BenchProcess("manager_child.ts", args);
  const { port, token } = await manager.answer();
  await using worker = new Swarmd([
    ...["worker", "join", "--json", `--state-dir=${folder}/worker`],
    `127.0.0.1:${port}`,
  ], { binary, env: { SWARMD_TOKEN: String(token) } });
  await worker.waitFor("connected");
  await manager.ask("renew", { width: 1 });
  await pause(quick ? 1_000 : IDLE_MS);
  return [figure({
    name: `an idle worker, ${quick ? 1 : 60} s after its first renewal`,
    value: residentKb(worker.pid) / 1_000,
    unit: "MB",
    target: { most: 64 },
    limit: { what: "empty", value: machine.residentKb / 1_000 },
    note:
      "resident memory, from the bundle; empty: a process that does nothing",
  })];
}

/** How soon real workers are back after a manager's restart. */
export async function benchReturns(binary: string): Promise<Figure[]> {
  await using cluster = await Cluster.start();
  const workers: Swarmd[] = [];
  for (let i = 0; i < WORKERS; i++) {
    workers.push(await cluster.connectedWorker(`w${i}`, { binary }));
  }
  await cluster.manager.kill();
  await Promise.all(workers.map((worker) => worker.waitFor("disconnected")));
  await pause(OUTAGE_MS);
  const manager = await cluster.runManager();
  const readyAt = Date.parse(String(manager.events[0]?.["at"]));
  const back = await Promise.all(workers.map(async (worker) => {
    const { at } = await worker.waitFor("connected");
    return Date.parse(String(at)) - readyAt;
  }));
  return [figure({
    name: `${WORKERS} workers back after an outage of 10 s`,
    value: Math.max(...back) / 1_000,
    unit: "s",
    target: { most: 2 },
    note: `from the manager's readiness; each: ${
      back.toSorted((a, b) => a - b).join(", ")
    } ms`,
  })];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
