// deno-lint-ignore-file no-console -- tells what was measured
import { assert, assertEquals } from "@std/assert";
import { Cluster } from "../cluster.ts";
import type { Swarmd } from "../harness.ts";

const WORKERS = 8;
const OUTAGE_MS = 10_000;
/** 2 s where nothing else runs; Docker takes 4 to 5 s there. */
const MAX_BACK_MS = 3_000;

/** How long after a moment each worker was connected, in milliseconds. */
async function backAfter(
  workers: readonly Swarmd[],
  began: number,
): Promise<number[]> {
  const events = await Promise.all(
    workers.map((worker) => worker.waitFor("connected")),
  );
  return events.map((event) => Date.parse(String(event["at"])) - began);
}

Deno.test("8 workers are back within seconds of a manager's restart after an outage of 10 s, on its old port", async () => {
  await using cluster = await Cluster.start();
  const workers = await Promise.all(
    Array.from(
      { length: WORKERS },
      (_, i) => cluster.connectedWorker(`w${i}`),
    ),
  );
  await cluster.manager.kill();
  await Promise.all(workers.map((worker) => worker.waitFor("disconnected")));
  await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
  const started = Date.now();
  const manager = await cluster.runManager();
  const [ready] = manager.events;
  assertEquals(ready?.["listen"], cluster.listen);
  const readyAt = Date.parse(String(ready?.["at"]));
  const times = await backAfter(workers, readyAt);
  const last = Math.max(...times);
  console.log(
    `manager ready after ${
      readyAt - started
    } ms; workers back ${times} ms later`,
  );
  assert(last <= MAX_BACK_MS, `the last was back after ${last} ms`);
  const nodes = await cluster.nodes();
  assertEquals(nodes.length, WORKERS + 1);
  for (const { status } of nodes) assertEquals(status, "ready");
  for (const worker of workers) {
    assertEquals(
      worker.events.map(({ event }) => event),
      ["joined", "connected", "disconnected", "connected"],
    );
  }
});
