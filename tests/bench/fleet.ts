import { MINUTE } from "../../lib/base/time.ts";
import { type Figure, figure, short } from "./figure.ts";
import { type Answer, BenchProcess } from "./process.ts";

/** Processes that play the fleet; each holds an equal part of it. */
const HOSTS = 2;
/** Joins, and renewals, that are under way at the same time. */
const WIDTH = 64;
const OUTAGE_MS = 10 * MINUTE;

/** What the machine does without us, beside which a fleet is measured. */
export interface FleetLimits {
  /** Raw mutual handshakes that a core of the server does in a second. */
  readonly handshakes: number;
  /** Checks and signatures of P-256, one of each, a core-second. */
  readonly pairs: number;
  /** Memory of a raw TLS server for an idle connection, in kB. */
  readonly idleKb: number;
}

/** A manager, and a fleet in a few other processes. */
class Fleet implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #folder: string;
  readonly #hosts: BenchProcess[] = [];
  readonly size: number;
  #manager: BenchProcess | undefined;
  #hello: Answer = {};

  constructor(folder: string, size: number) {
    this.#folder = folder;
    this.size = size;
    this.#stack.defer(() => Deno.remove(folder, { recursive: true }));
  }

  get manager(): BenchProcess {
    if (!this.#manager) throw new Error("The manager was not started");
    return this.#manager;
  }

  async startManager(args: readonly string[] = []): Promise<void> {
    const { port } = this.#hello;
    const old = port === undefined ? [] : [`--port=${port}`];
    const manager = new BenchProcess("manager_child.ts", [
      `--folder=${this.#folder}`,
      ...old,
      ...args,
    ]);
    this.#stack.use(manager);
    this.#manager = manager;
    this.#hello = await manager.answer();
  }

  async startHosts(): Promise<void> {
    for (let i = 0; i < HOSTS; i++) {
      const host = this.#stack.use(new BenchProcess("fleet_child.ts"));
      await host.answer();
      this.#hosts.push(host);
    }
  }

  /** Has every host do something to its part of the fleet. */
  async all(action: string, asked: Answer = {}): Promise<void> {
    const { port, token } = this.#hello;
    const count = this.size / HOSTS;
    const parts = { count, width: WIDTH / HOSTS, port, token, ...asked };
    await Promise.all(this.#hosts.map((host) => host.ask(action, parts)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** Joins, renewals, memory of sessions, and the return after an outage. */
export async function benchFleet(
  limits: FleetLimits,
  quick: boolean,
): Promise<Figure[]> {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-bench-" });
  await using fleet = new Fleet(folder, quick ? 200 : 1_000);
  await fleet.startHosts();
  await fleet.startManager(["--open"]);
  const joins = await benchJoins(fleet, limits);
  await fleet.manager.stop();
  await fleet.startManager(["--open"]);
  const sessions = await benchSessions(fleet, limits);
  const renewals = await benchRenewals(fleet, limits);
  const rotation = await benchRotation(fleet);
  const back = await benchReturn(fleet);
  return [joins, renewals, sessions, rotation, back];
}

/** What a manager does for each: two handshakes, or one, and a certificate. */
function limitOf(limits: FleetLimits, handshakes: number): number {
  return 1 / (handshakes / limits.handshakes + 1 / limits.pairs);
}

async function benchJoins(fleet: Fleet, limits: FleetLimits): Promise<Figure> {
  const { cpuMs, wallMs } = await timed(fleet, () => fleet.all("join"));
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
  const { cpuMs } = await timed(fleet, async () => {
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

async function benchRotation(fleet: Fleet): Promise<Figure> {
  const { wallMs } = await fleet.manager.ask("rotate");
  return figure({
    name: `rotation of the root, ${fleet.size} sessions`,
    value: Number(wallMs) / 1_000,
    unit: "s",
    target: { most: 10 },
    note: "from the wish until the new root is the only one; workers on the " +
      "same two cores, their identities in memory",
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

async function timed(fleet: Fleet, work: () => Promise<void>) {
  const { manager } = fleet;
  const before = manager.cpuMs;
  const began = performance.now();
  await work();
  return {
    cpuMs: manager.cpuMs - before,
    wallMs: performance.now() - began,
  };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000));
}
