// deno-lint-ignore-file no-console -- a report for a terminal
import { parseArgs } from "@std/cli";
import { type Figure, isMet, table } from "../tests/bench/figure.ts";
import { benchCrl } from "../tests/bench/crl.ts";
import { benchFleet } from "../tests/bench/fleet.ts";
import type { FleetLimits } from "../tests/bench/fleet_rig.ts";
import {
  benchHandshakes,
  measureRawTls,
  type RawTls,
} from "../tests/bench/handshakes.ts";
import { type Machine, measureMachine } from "../tests/bench/machine.ts";
import { benchRecovery } from "../tests/bench/recovery.ts";
import { benchRemoval } from "../tests/bench/removal.ts";
import { benchRotation } from "../tests/bench/rotation.ts";
import { benchSigning } from "../tests/bench/signing.ts";
import { benchTurns } from "../tests/bench/turns.ts";
import {
  benchIdleWorker,
  benchReturns,
  benchStarts,
} from "../tests/bench/workers.ts";

const BINARY = new URL("../dist/swarmd", import.meta.url).pathname;
const USAGE = `usage: deno task bench [--only NAME,...] [--quick] [--json]

Measures, beside what this machine can do without us in the same run.
--quick takes smaller fleets and shorter waits; its figures are rough.

names: `;

/** What every part may need of the machine. */
interface Bench {
  readonly machine: Machine;
  readonly raw: RawTls;
  readonly quick: boolean;
}

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<Figure[]>>> = {
  signing: ({ machine, quick }) => benchSigning(machine, quick),
  handshakes: ({ raw, quick }) => benchHandshakes(raw, quick),
  fleet: (bench) => benchFleet(limitsOf(bench), bench.quick),
  rotation: ({ quick }) => benchRotation({ binary: BINARY, quick }),
  removal: ({ quick }) => benchRemoval(quick),
  recovery: (bench) => benchRecovery(limitsOf(bench), bench.quick),
  crl: ({ quick }) => benchCrl(quick),
  turns: ({ quick }) => benchTurns(quick),
  start: ({ machine, raw }) =>
    benchStarts({ machine, dialMs: raw.latencyMs }, BINARY),
  idle: ({ machine, quick }) =>
    benchIdleWorker(machine, { binary: BINARY, quick }),
  back: () => benchReturns(BINARY),
};

/** What a fleet is measured beside. */
function limitsOf({ machine, raw }: Bench): FleetLimits {
  return {
    handshakes: raw.perCoreSecond,
    pairs: 1_000 / machine.pairMs,
    idleKb: raw.idleKb,
  };
}

/** @returns the exit code: 2 for a wrong use; a missed target is no error */
async function run(args: string[]): Promise<number> {
  const parsed = parseArgs(args, {
    string: ["only"],
    boolean: ["quick", "json", "help"],
  });
  const { only, json, help } = parsed;
  const quick = parsed.quick === true;
  const names = only ? String(only).split(",") : Object.keys(PARTS);
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (help || unknown !== undefined) {
    console.error(`${USAGE}${Object.keys(PARTS).join(", ")}`);
    return help ? 0 : 2;
  }
  console.error("bench: dist/swarmd, and what the machine can do");
  await build();
  const machine = await measureMachine();
  const bench = { machine, raw: await measureRawTls(quick), quick };
  const figures: Figure[] = [];
  for (const name of names) {
    console.error(`bench: ${name}`);
    figures.push(...await PARTS[name]?.(bench) ?? []);
  }
  if (json) console.log(JSON.stringify({ machine, figures }));
  else show(machine, figures);
  return 0;
}

/** What is measured is what the sources say now. */
async function build(): Promise<void> {
  const script = new URL("build.ts", import.meta.url).pathname;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, "--portable", `--out=${BINARY}`],
  }).output();
  if (!success) throw new Error("Cannot build dist/swarmd");
}

function show(machine: Machine, figures: readonly Figure[]): void {
  for (const line of table(figures)) console.log(line);
  const missed = figures.filter((each) => isMet(each) === false).length;
  console.log(
    `\nOpenSSL on one core: ${machine.opensslSign} signatures, ` +
      `${machine.opensslVerify} checks of P-256 a second. Targets missed: ${missed}`,
  );
}

Deno.exitCode = await run(Deno.args);
