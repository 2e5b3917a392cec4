import { Cluster } from "../e2e/cluster.ts";
import {
  eventually,
  type LogLine,
  type Swarmd,
  swarmd,
} from "../e2e/harness.ts";
import { type Figure, figure, median, short } from "./figure.ts";
import { measureBareRenewals } from "./bare_renewals.ts";
import { Fleet, settle, WIDTH } from "./fleet_rig.ts";

const WORKERS = 8;
/** No node gets two certificates within a thousandth of a life: of 1 h, here. */
const REST_MS = 4_000;
/** In one cluster: after four renewals in a row a worker rests for a minute. */
const ROTATIONS = 2;
const CLUSTERS = 4;
const MAX_ROTATION_MS = 120_000;
const HOSTS = 4;
/** What the limit is: a rotation does it once, then adopts a root and dials. */
const BARE = "bare";
const BARE_NOTE = "bare: key, request, certificate and one dial of each, by " +
  "the runtime alone";

/** What a rotation of the root is measured with. */
export interface RotationBench {
  readonly binary: string;
  readonly quick: boolean;
}

/** How long a new root takes: in a few real processes, and in a fleet. */
export async function benchRotation(bench: RotationBench): Promise<Figure[]> {
  return [await benchProcesses(bench), await benchSessions(bench)];
}

async function benchProcesses(bench: RotationBench): Promise<Figure> {
  const plan = { clients: WORKERS, hosts: WORKERS, width: WORKERS };
  const value = await measureBareRenewals(plan);
  const rounds: Round[] = [];
  for (let i = 0; i < (bench.quick ? 1 : CLUSTERS); i++) {
    rounds.push(await rotateProcesses(bench));
  }
  const took = rounds.flatMap((round) => round.took);
  const cuts = rounds.reduce((sum, round) => sum + round.cuts, 0);
  const refused = rounds.reduce((sum, round) => sum + round.refused, 0);
  return figure({
    name: `rotation of the root, ${WORKERS} processes`,
    value: median(took),
    unit: "ms",
    target: { most: 300 },
    limit: { what: BARE, value },
    note: "from the manager's acceptance to `finished`, by its audit log; " +
      `each: ${took.map(short).join(", ")} ms; ${cuts} sessions ` +
      `interrupted, ${refused} handshakes refused; ${BARE_NOTE}`,
  });
}

/** What became of the rotations of one cluster. */
interface Round {
  /** In milliseconds, of each. */
  readonly took: readonly number[];
  /** Sessions that were interrupted. */
  readonly cuts: number;
  /** Handshakes that the manager refused. */
  readonly refused: number;
}

async function rotateProcesses({ binary }: RotationBench): Promise<Round> {
  const init = ["--cert-expiry=1h"];
  await using cluster = await Cluster.start({ init, binary });
  const workers = await Promise.all(
    Array.from(
      { length: WORKERS },
      (_, i) => cluster.connectedWorker(`w${i}`, { binary }),
    ),
  );
  const took: number[] = [];
  for (let i = 0; i < ROTATIONS; i++) {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    await cluster.ask("ca", "rotate", "--detach");
    for (const worker of workers) await worker.waitFor("root-changed");
    await untilFinished(cluster, i + 1);
    took.push(await lastRotation(cluster));
  }
  const refused =
    cluster.manager.log.filter(({ message }) => /refused/i.test(message))
      .length;
  return { took, cuts: cutsOf(workers), refused };
}

/**
 * The workers turn before the manager has written that they did. It tells when
 * it has: to ask it would start a process beside what is measured.
 */
async function untilFinished(
  { manager }: Cluster,
  times: number,
): Promise<void> {
  const isEnd = ({ message, phase }: LogLine) =>
    message === "Root rotation" && phase === "stable";
  await eventually("the end of a rotation", () => {
    const ends = manager.log.filter(isEnd).length;
    return Promise.resolve(ends >= times || undefined);
  }, { timeoutMs: MAX_ROTATION_MS });
}

/** From its acceptance to its end, as the manager wrote it down, in ms. */
async function lastRotation(cluster: Cluster): Promise<number> {
  const { stdout } = await swarmd([
    ...["audit", "tail", "--json", "-n", "100", `--state-dir=${cluster.dir()}`],
  ]);
  const steps = stdout.trim().split("\n")
    .map((line): AuditLine => JSON.parse(line))
    .filter(({ action }) => action === "rotation");
  const begun = steps.findLast(({ by }) => by === "operator");
  return (steps.at(-1)?.at ?? NaN) - (begun?.at ?? NaN);
}

interface AuditLine {
  readonly action: string;
  readonly by: string;
  readonly at: number;
}

function cutsOf(workers: readonly Swarmd[]): number {
  const isCut = ({ event }: { readonly event: string }) =>
    event === "disconnected";
  return workers.reduce(
    (sum, each) => sum + each.events.filter(isCut).length,
    0,
  );
}

async function benchSessions({ quick }: RotationBench): Promise<Figure> {
  const size = quick ? 200 : 1_000;
  const plan = { clients: size, hosts: HOSTS, width: WIDTH };
  const bareMs = await measureBareRenewals(plan);
  await using fleet = await Fleet.start({ size, hosts: HOSTS, folders: true });
  await fleet.startManager(["--open"]);
  await fleet.all("join");
  await fleet.all("run");
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  await settle();
  let rotation: Readonly<Record<string, unknown>> = {};
  const { cpuMs } = await fleet.timed(async () => {
    rotation = await fleet.manager.ask("rotate");
  });
  const interrupted = await fleet.sum("interruptions", "times");
  return figure({
    name: `rotation of the root, ${size} sessions`,
    value: Number(rotation["wallMs"]) / 1_000,
    unit: "s",
    target: { most: 10 },
    limit: { what: BARE, value: bareMs / 1_000 },
    note: `from the manager's acceptance to \`finished\`; ${HOSTS} processes ` +
      "with a folder for each node, on the same machine; the manager had " +
      `${short(cpuMs / 1_000)} s of a core; ${interrupted} sessions ` +
      `interrupted, ${rotation["refused"]} handshakes refused; ${BARE_NOTE}`,
  });
}
