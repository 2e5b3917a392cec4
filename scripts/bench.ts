// deno-lint-ignore-file no-console -- a report for a terminal
import { BenchProcess } from "../tests/bench/process.ts";
import { Cluster } from "../tests/e2e/cluster.ts";

/** One figure, what is wanted, and what the machine itself can do. */
interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target: string;
  /** The runtime's own limit in the same run, in the same unit. */
  readonly limit?: number;
}

const COUNT = 500;
const STARTS = 5;

/** CSR in, certificate out, for each second of one core. */
async function signing(): Promise<Figure[]> {
  await using child = new BenchProcess("signing_child.ts");
  await child.answer();
  const { cpuMs } = await child.ask("crypto");
  const limit = 1_000 / Number(cpuMs);
  const figures: Figure[] = [];
  for (const action of ["bare", "issuance"]) {
    for (const width of [1, 16]) {
      const timing = await child.ask(action, { count: COUNT, width });
      figures.push({
        name: `signing path, ${action}, ${width} in flight`,
        value: COUNT * 1_000 / Number(timing["cpuMs"]),
        unit: "per core-second",
        target: ">= 500",
        limit,
      });
    }
  }
  return figures;
}

/** From the start of a worker's process until it is joined and connected. */
async function starts(): Promise<Figure[]> {
  await using cluster = await Cluster.start();
  const times: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const startedAt = performance.now();
    await cluster.connectedWorker(`worker-${i}`);
    times.push(performance.now() - startedAt);
  }
  const value = times.toSorted((a, b) => a - b)[Math.floor(STARTS / 2)] ?? NaN;
  const name = `process start to connected, median of ${STARTS}`;
  return [{ name, value, unit: "ms", target: "<= 300" }];
}

function show({ name, value, unit, target, limit }: Figure): string {
  const ratio = limit === undefined
    ? ""
    : `, ${(value / limit * 100).toFixed(0)} % of the runtime's ${
      limit.toFixed(0)
    }`;
  return `${name.padEnd(44)} ${
    value.toFixed(0).padStart(6)
  } ${unit} (want ${target}${ratio})`;
}

const figures = [...await signing(), ...await starts()];
if (Deno.args.includes("--json")) console.log(JSON.stringify(figures));
else for (const figure of figures) console.log(show(figure));
