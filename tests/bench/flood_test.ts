// deno-lint-ignore-file no-console -- tells what was measured
import { assert, assertEquals } from "@std/assert";
import { Cluster } from "../e2e/cluster.ts";
import type { FloodOrder, FloodReport } from "../e2e/flood.ts";
import { LightWorker } from "../e2e/light_worker.ts";

const WORKERS = 100;
const MAX_P99_MS = 1_000;
/** Far above what it needs, far below what 10,000 strangers could cost. */
const MAX_RSS_MB = 400;
const FLOOD = new URL("../e2e/flood.ts", import.meta.url).pathname;
const STEP_MS = 50;
/** A node gets no second certificate within a thousandth of its life, 1 h. */
const ISSUE_INTERVAL_MS = 3_600;

/** The first bytes of a client that wants to be a node. */
async function clientHello(): Promise<string> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const alpnProtocols = ["swarmd/1"];
  const address = { hostname: "127.0.0.1", port };
  const dialing = Deno.connectTls({ ...address, alpnProtocols });
  const connection = await listener.accept();
  const buffer = new Uint8Array(4_096);
  using client = await dialing;
  const handshake = client.handshake().catch(() => {}); // nobody answers it
  const length = await connection.read(buffer) ?? 0;
  connection.close();
  await handshake;
  return buffer.subarray(0, length).toBase64();
}

/** From a process of its own, and no more of this machine than is left. */
async function flood(order: FloodOrder): Promise<FloodReport> {
  const run = [Deno.execPath(), "run", "--allow-net", FLOOD];
  const { stdout } = await new Deno.Command("nice", {
    args: ["-n", "10", ...run, JSON.stringify(order)],
    stderr: "inherit",
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Resident memory of a process, in megabytes. */
async function rssOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return Math.round(Number(kilobytes) / 1_024);
}

interface Renewals {
  /** In milliseconds, ascending. */
  readonly times: readonly number[];
  readonly mostRss: number;
}

/** Renews twenty times a second, each time another worker, while a flood lasts. */
async function renewDuring(
  fleet: LightWorker[],
  { lasts, pid }: { readonly lasts: Promise<unknown>; readonly pid: number },
): Promise<Renewals> {
  let over = false;
  lasts.finally(() => over = true).catch(() => {});
  const renewals: Promise<number>[] = [];
  let mostRss = 0;
  while (!over) {
    const worker = fleet.shift();
    if (worker) fleet.push(worker);
    const renewal = worker?.renew();
    renewal?.catch(() => {}); // told at the end
    if (renewal) renewals.push(renewal);
    mostRss = Math.max(mostRss, await rssOf(pid));
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  const times = (await Promise.all(renewals)).sort((a, b) => a - b);
  return { times, mostRss };
}

function percentile({ times }: Renewals, part: number): number {
  return Math.round(times[Math.ceil(times.length * part) - 1] ?? NaN);
}

function tell(what: string, renewals: Renewals, flooded?: FloodReport): void {
  const { times, mostRss } = renewals;
  const [median, p99, most] = [0.5, 0.99, 1].map((p) =>
    percentile(renewals, p)
  );
  console.log(
    `${what}: ${times.length} renewals, median ${median} ms, p99 ${p99} ms, most ${most} ms; manager ${mostRss} MB`,
    flooded ?? "",
  );
}

async function startFleet(cluster: Cluster): Promise<LightWorker[]> {
  const path = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  const ca = await Deno.readTextFile(path);
  const secret = cluster.tokens.worker.split("-").at(-1) ?? "";
  const place = { hostname: "::1", port: cluster.port, ca, secret };
  const fleet: LightWorker[] = [];
  while (fleet.length < WORKERS) {
    const batch = Array.from({ length: 20 }, () => LightWorker.join(place));
    fleet.push(...await Promise.all(batch));
  }
  return fleet;
}

Deno.test("100 workers renew within a second while one address floods the port", async () => {
  // Strangers and nodes have addresses of their own: 127.0.0.1 and ::1.
  await using cluster = await Cluster.start({
    listen: "[::]:0",
    init: [
      ...["--advertise-addr=[::1]", "--advertise-addr=127.0.0.1"],
      "--cert-expiry=1h",
    ],
  });
  const { manager: { pid }, port } = cluster;
  await using stack = new AsyncDisposableStack();
  const fleet = await startFleet(cluster);
  for (const worker of fleet) stack.use(worker);
  await new Promise((resolve) => setTimeout(resolve, ISSUE_INTERVAL_MS));
  const quiet = new Promise((resolve) => setTimeout(resolve, 3_000));
  tell("without a flood", await renewDuring(fleet, { lasts: quiet, pid }));

  const victim = { hostname: "127.0.0.1", port };
  for (
    const [what, order] of [
      ["2,000 handshakes a second", {
        ...victim,
        rate: 2_000,
        seconds: 8,
        greeting: await clientHello(),
        hold: 2_000,
      }],
      ["10,000 silent connections", {
        ...victim,
        rate: 4_000,
        seconds: 5,
        greeting: "",
        hold: 10_000,
      }],
    ] as const
  ) {
    const lasts = flood(order);
    const renewals = await renewDuring(fleet, { lasts, pid });
    tell(what, renewals, await lasts);
    const p99 = percentile(renewals, 0.99);
    assert(p99 < MAX_P99_MS, `${what}: p99 ${p99} ms`);
    assert(renewals.mostRss < MAX_RSS_MB, `${what}: ${renewals.mostRss} MB`);
  }
  assertEquals(fleet.filter(({ lost }) => lost > 0).length, 0);
  const ready = (await cluster.nodes()).filter((row) => row.status === "ready");
  assertEquals(ready.length, WORKERS + 1);
  const down = cluster.manager.log.filter(({ message }) =>
    /down/.test(message)
  );
  assertEquals(down, []);
  const { log } = cluster.manager;
  assert(log.some(({ message }) => /too many from its address/.test(message)));
});
