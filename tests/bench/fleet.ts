import { MINUTE } from "../../lib/base/time.ts";
import { type Figure, figure, short } from "./figure.ts";
import {
  Fleet,
  type FleetLimits,
  limitOf,
  settle,
  WIDTH,
} from "./fleet_rig.ts";
import type { Answer } from "./process.ts";

const HOSTS = 2;
const OUTAGE_MS = 10 * MINUTE;

/** Joins, renewals, memory of sessions, and the return after an outage. */
export async function benchFleet(
  limits: FleetLimits,
  quick: boolean,
): Promise<Figure[]> {
  const size = quick ? 200 : 1_000;
  await using fleet = await Fleet.start({ size, hosts: HOSTS, folders: false });
  await fleet.startManager(["--open"]);
  const joins = await benchJoins(fleet, limits);
  await fleet.manager.stop();
  await fleet.startManager(["--open"]);
  const sessions = await benchSessions(fleet, limits);
  const renewals = await benchRenewals(fleet, limits);
  const back = await benchReturn(fleet);
  return [joins, renewals, sessions, back];
}

async function benchJoins(fleet: Fleet, limits: FleetLimits): Promise<Figure> {
  const { cpuMs, wallMs } = await fleet.timed(() => fleet.all("join"));
  const perCore = fleet.size * 1_000 / cpuMs;
  const limit = limitOf(limits, 2);
  return figure({
    name: `joins, ${WIDTH} in flight`,
    value: perCore,
    unit: "/s of a core",
    limit: { what: "raw", value: limit },
    note: `${short(fleet.size * 1_000 / wallMs)}/s of wall time, workers and ` +
      "all on this machine; each is two handshakes, a proof, a certificate " +
      "and a durable record",
  });
}

async function benchRenewals(
  fleet: Fleet,
  limits: FleetLimits,
): Promise<Figure> {
  let rush: Answer = {};
  const { cpuMs } = await fleet.timed(async () => {
    rush = await fleet.manager.ask("renew", { width: WIDTH });
  });
  const count = Number(rush["count"]);
  return figure({
    name: `renewals end to end, ${WIDTH} in flight`,
    value: count * 1_000 / cpuMs,
    unit: "/s of a core",
    target: { least: 300 },
    limit: { what: "raw", value: limitOf(limits, 1) },
    note: `${short(count * 1_000 / Number(rush["wallMs"]))}/s of wall time ` +
      `with ${count} workers on the same machine; half took ${
        short(Number(rush["medianMs"]))
      } ms at most, 99 % ${short(Number(rush["p99Ms"]))} ms`,
  });
}

async function benchSessions(
  fleet: Fleet,
  limits: FleetLimits,
): Promise<Figure> {
  await settle();
  const before = fleet.manager.residentKb;
  await fleet.all("run");
  await settle();
  const value = (fleet.manager.residentKb - before) / fleet.size;
  return figure({
    name: `memory of an idle session, of ${fleet.size}`,
    value,
    unit: "kB",
    target: { most: 50 },
    limit: { what: "raw", value: limits.idleKb },
    note: `the manager holds ${
      short(fleet.manager.residentKb / 1_000)
    } MB in all`,
  });
}

async function benchReturn(fleet: Fleet): Promise<Figure> {
  fleet.manager.kill();
  await fleet.all("lost");
  await fleet.all("failed", { times: 2 });
  await fleet.all("jump", { byMs: OUTAGE_MS });
  await fleet.all("failed", { times: 3 });
  await fleet.startManager();
  const began = performance.now();
  await fleet.all("connected");
  return figure({
    name: `${fleet.size} sessions back after an outage of 10 min`,
    value: (performance.now() - began) / 1_000,
    unit: "s",
    target: { most: 5 },
    note: "from the manager's readiness; its limits for one address are on, " +
      "the workers' clocks were moved on by 10 min",
  });
}
