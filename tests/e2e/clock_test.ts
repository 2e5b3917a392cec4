import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { eventually, swarmd, TempFolder } from "./harness.ts";
import { clockIn, clockOff } from "./wrong_clock.ts";

const CLOCK_SKEW = 13;
const DAY_MS = 86_400_000;
const TIME_REGEXP = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;

/** Checks that a text names two times, so far apart; one is about now. */
function assertNamesBothClocks(text: string, apartMs: number): void {
  const times = (text.match(TIME_REGEXP) ?? []).map((each) => Date.parse(each));
  const now = Date.now();
  const near = (to: number) =>
    times.some((time) => Math.abs(time - to) < 120_000);
  assert(near(now), `the manager's clock is not named: ${text}`);
  assert(near(now + apartMs), `this machine's clock is not named: ${text}`);
}

for (
  const [what, by, apartMs] of [
    ["far ahead", "+200d", 200 * DAY_MS],
    ["behind", "-2d", -2 * DAY_MS],
  ] as const
) {
  Deno.test(`a join on a machine whose clock is ${what} is refused, and both clocks are named`, async () => {
    await using cluster = await Cluster.start();
    const env = await clockOff(by);
    const worker = cluster.join("a", { env });
    const { code, stderr } = await worker.waitForEnd();
    assertEquals(code, CLOCK_SKEW, stderr);
    assertNamesBothClocks(stderr, apartMs);
    assertMatch(stderr, /^swarmd: hint: .*clock/m);
    assertEquals((await cluster.nodes()).length, 1);
    const right = cluster.join("a");
    await right.waitFor("connected");
  });

  Deno.test(`a worker whose clock is ${what} keeps its identity, names both clocks, and is back when it is set`, async () => {
    await using cluster = await Cluster.start();
    const first = await cluster.connectedWorker("a");
    await first.stop();
    await using folder = await TempFolder.make();
    const file = `${folder.path}/offset`;
    await Deno.writeTextFile(file, `${by}\n`);
    const worker = cluster.runWorker("a", { env: await clockIn(file) });
    const line = await worker.waitForLog(({ message }) =>
      message === "No session with a manager"
    );
    assertNamesBothClocks(String(line["error"]), apartMs);
    await Deno.writeTextFile(file, "+0\n");
    const connected = await worker.waitFor("connected");
    assertEquals(connected["node"], first.events[0]?.["node"]);
  });
}

Deno.test("a skew of five minutes is shown by status and node ls, and harms nothing", async () => {
  await using cluster = await Cluster.start();
  const worker = cluster.join("a", { env: await clockOff("+300") });
  const connected = await worker.waitFor("connected");
  const id = String(connected["node"]);
  const near = (skew: unknown) => Math.abs(Number(skew) - 300_000) < 5_000;
  const row = await cluster.node(id, (each) => near(each["clockSkewMs"]));
  assertEquals(row.status, "ready");
  const status = ["status", `--state-dir=${cluster.dir("a")}`];
  const shown = await eventually("the skew in status", async () => {
    const { stdout } = await swarmd([...status, "--json"]);
    const { clock } = JSON.parse(stdout);
    return near(clock.skewMs) ? clock : undefined;
  });
  assert(shown.checkedAt);
  const { stdout } = await swarmd(status);
  assertMatch(stdout, /^clock +.*5m/m);
  const list = await swarmd(["node", "ls", `--state-dir=${cluster.dir()}`]);
  assertMatch(list.stdout, /CLOCK/);
  assertMatch(list.stdout, /\+5m/);
});

Deno.test("a manager that was off until its certificate ended makes itself a new one before it serves", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  await worker.stop();
  await cluster.manager.stop();
  const env = await clockOff("+100d");
  await cluster.runManager({ env });
  const show = ["cert", "show", `--state-dir=${cluster.dir()}`, "--json"];
  const { notAfter } = JSON.parse((await swarmd(show)).stdout);
  assert(Date.parse(notAfter) > Date.now() + 180 * DAY_MS);
  // The worker's has ended, by the clocks of both: it says so.
  const late = cluster.runWorker("a", { env });
  const line = await late.waitForLog(({ message }) =>
    message === "No session with a manager"
  );
  assertMatch(String(line["error"]), /certificate ended at .*clock says/);
  await cluster.manager.waitForLog((each) => each["code"] === "expired");
  // Ten days are inside of the window: it is back by itself.
  await late.waitFor("recovered");
  assertEquals((await late.stop()).code, 0);
});

Deno.test("a jump of the wall clock is noticed within a minute", async () => {
  await using cluster = await Cluster.start();
  await using folder = await TempFolder.make();
  const file = `${folder.path}/offset`;
  await Deno.writeTextFile(file, "+0\n");
  const env = await clockIn(file);
  const worker = await cluster.connectedWorker("a", { env });
  await Deno.writeTextFile(file, "+2h\n");
  const line = await worker.waitForLog(
    ({ message }) => /clock/i.test(message) && /jump/i.test(message),
    { timeoutMs: 60_000 },
  );
  assert(Math.abs(Number(line["jumpMs"]) - 7_200_000) < 10_000);
});

Deno.test("a manager whose clock jumps ahead cuts nobody and issues nothing, until it is set right or accepted", async () => {
  await using cluster = await Cluster.start();
  await using folder = await TempFolder.make();
  const file = `${folder.path}/offset`;
  await Deno.writeTextFile(file, "+0\n");
  await cluster.manager.stop();
  await cluster.runManager({ env: await clockIn(file) });
  const worker = await cluster.connectedWorker("a");
  const accept = ["clock", "accept", `--state-dir=${cluster.dir()}`];
  const refused = await swarmd(accept);
  assertMatch(refused.stderr, /is not in doubt/);
  const alarmed = (isAlarmed: boolean) =>
    eventually(`an alarm: ${isAlarmed}`, async () => {
      const { alarms } = await cluster.ask<{ alarms: string[] }>("status");
      const found = alarms.some((each) => each.includes("clock accept"));
      return found === isAlarmed || undefined;
    });
  await Deno.writeTextFile(file, "+100d\n");
  await alarmed(true);
  await cluster.ask("node", "renew", "--all");
  const line = await worker.waitForLog((each) =>
    String(each["error"]).includes("is in doubt")
  );
  assertEquals(line["level"], "warn");
  await Deno.writeTextFile(file, "+0\n");
  await alarmed(false);
  await cluster.connectedWorker("b");
  assert(!worker.events.some(({ event }) => event === "disconnected"));
  await Deno.writeTextFile(file, "+100d\n");
  await alarmed(true);
  const accepted = await swarmd(accept);
  assertEquals(accepted.code, 0, accepted.stderr);
  await alarmed(false);
  await worker.waitFor("disconnected");
});
