import { type Figure, figure, short } from "./figure.ts";
import { Fleet } from "./fleet_rig.ts";
import { sharedNow } from "./member.ts";
import type { BenchProcess } from "./process.ts";
import { untilClosed } from "../e2e/sockets.ts";

const HOSTS = 4;
/** Of nodes that hear nothing, too: nobody is silent for too long here. */
const HEARTBEAT_MS = 60_000;
/** Between two looks at a socket whose peer cannot tell, in milliseconds. */
const LOOK_MS = 2;

/** How soon a removed node's connection ends, whatever the node does. */
export async function benchRemoval(quick: boolean): Promise<Figure[]> {
  const size = quick ? 200 : 1_000;
  const count = quick ? 20 : 100;
  await using fleet = await Fleet.start({ size, hosts: HOSTS, folders: false });
  await fleet.startManager(["--open", `--heartbeat=${HEARTBEAT_MS}`]);
  await fleet.all("join");
  await fleet.all("run");
  const reading = await removeReading(fleet, count);
  const deaf = await removeDeaf(fleet, count);
  const cut = await fleet.sum("interruptions", "times") - count;
  const others = `${cut} connections of others ended`;
  const note = `of ${count} removals, one by one, from the operator's wish ` +
    "until";
  return [
    ...figuresOf(reading, {
      name: `node rm --force, ${size} sessions`,
      note: `${note} the peer was told by its system; ${others}`,
    }),
    ...figuresOf(deaf, {
      name: "node rm --force, peer stopped reading",
      note: `${note} the manager had closed its end; the peer's process ` +
        "was stopped, and no buffer on the way to it took any more",
    }),
  ];
}

/** Of each the time that it took, in milliseconds. */
async function removeReading(fleet: Fleet, count: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    const host = fleet.hosts[i % fleet.hosts.length];
    if (!host) continue;
    const node = (await idsOf(host))[Math.floor(i / fleet.hosts.length)];
    const startedAt = sharedNow();
    await remove(fleet, node);
    const { at } = await host.ask("closed", { node });
    took.push(Number(at) - startedAt);
  }
  return took;
}

/** The same of nodes in a process that is stopped. */
async function removeDeaf(fleet: Fleet, count: number): Promise<number[]> {
  const host = await fleet.host(fleet.hosts.length);
  const plan = { ...fleet.place, count, width: 16 };
  await host.ask("join", plan);
  await host.ask("run", plan);
  const ids = await idsOf(host);
  const local = Number(fleet.place["port"]);
  const took: number[] = [];
  host.signal("SIGSTOP");
  try {
    for (const node of ids) {
      const { port } = await fleet.manager.ask("remote", { node });
      await fleet.manager.ask("fill", { node });
      const ended = untilClosed(
        { local, remote: Number(port) },
        { pid: fleet.manager.pid, everyMs: LOOK_MS },
      );
      const startedAt = performance.now();
      await Promise.all([remove(fleet, node), ended]);
      took.push(performance.now() - startedAt);
    }
  } finally {
    host.signal("SIGCONT");
  }
  return took;
}

async function idsOf(host: BenchProcess): Promise<string[]> {
  return (await host.ask("nodes"))["ids"] as string[];
}

async function remove(fleet: Fleet, id: string | undefined): Promise<void> {
  const asked = { path: "/v1/nodes/remove", body: { id, force: true } };
  await fleet.manager.ask("operate", asked);
}

function figuresOf(
  took: readonly number[],
  { name, note }: { readonly name: string; readonly note: string },
): Figure[] {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (part: number) =>
    sorted[Math.ceil(part * sorted.length) - 1] ?? NaN;
  return [figure({
    name: `${name}, p99`,
    value: at(0.99),
    unit: "ms",
    target: { most: 100 },
    note: `${note}; half took ${short(at(0.5))} ms at most, all ${
      short(at(1))
    } ms`,
  })];
}
