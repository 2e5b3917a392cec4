import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Cluster } from "./cluster.ts";
import { eventually, Swarmd, type SwarmdEvent, TempFolder } from "./harness.ts";

const INTERRUPTED = 130;
const ID_REGEXP = /^[0-9a-z]{25}$/;
const DIGEST_REGEXP = /^sha256:[0-9a-f]{64}$/;
const TIME_REGEXP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/;
const CERTIFICATE_FIELDS = [
  ...["at", "event", "issuer", "node", "notAfter", "notBefore", "serial"],
];

function assertFields(event: SwarmdEvent, fields: readonly string[]): void {
  assertEquals(Object.keys(event).sort(), [...fields].sort(), event.event);
  assertMatch(String(event["at"]), TIME_REGEXP);
}

Deno.test("ready tells exactly the fields of the contract, and tokens from init alone", async () => {
  await using cluster = await Cluster.start();
  const { ready } = cluster;
  // Where others reach it is a field that was added.
  const fields = ["event", "at", "cluster", "node", "listen", "rootDigest"];
  assertFields(ready, [...fields, "managers", "joinTokens"]);
  assertMatch(String(ready["cluster"]), ID_REGEXP);
  assertMatch(String(ready["node"]), ID_REGEXP);
  assertMatch(String(ready["listen"]), /^127\.0\.0\.1:[1-9]\d*$/);
  assertMatch(String(ready["rootDigest"]), DIGEST_REGEXP);
  assertEquals(Object.keys(cluster.tokens).sort(), ["manager", "worker"]);
  await cluster.manager.stop();
  const again = await cluster.runManager();
  const [readyAgain] = again.events;
  assert(readyAgain);
  assertFields(readyAgain, [...fields, "managers"]);
  for (const same of ["cluster", "node", "listen", "rootDigest"]) {
    assertEquals(readyAgain[same], ready[same]);
  }
});

Deno.test("manager run never tells a join token, whatever the format and the level", async () => {
  await using cluster = await Cluster.start();
  await cluster.manager.stop();
  for (const flags of [["--json"], [], ["--log-level=debug"]]) {
    await using manager = new Swarmd([
      ...["manager", "run", `--state-dir=${cluster.dir()}`, ...flags],
    ]);
    await eventually("a manager that serves", () => isServed(cluster));
    const worker = cluster.join(`worker-${flags}`);
    await worker.waitFor("connected");
    const { stdout, stderr } = await manager.stop();
    assert(stdout.length > 0);
    assert(!`${stdout}${stderr}`.includes("SWMTKN"), stdout);
  }
});

Deno.test("no log of anybody tells a token or its secret", async () => {
  await using folder = await TempFolder.make();
  const debug = "--log-level=debug";
  await using manager = new Swarmd([
    ...["manager", "init", "--listen-addr=127.0.0.1:0", "--json", debug],
    `--state-dir=${folder.path}/m`,
  ]);
  const ready = await manager.waitFor("ready");
  const { worker: token } = ready["joinTokens"] as { worker: string };
  await using worker = new Swarmd([
    ...["worker", "join", "--json", debug, `--token=${token}`],
    ...[`--state-dir=${folder.path}/w`, String(ready["listen"])],
  ]);
  await worker.waitFor("connected");
  const ended = [await worker.stop(), await manager.stop()];
  const secret = token.split("-").at(-1) ?? "";
  for (const { stderr } of ended) assert(!stderr.includes(secret), stderr);
  assert(!ended[0]?.stdout.includes(secret));
});

Deno.test("a worker tells joined, connected, renewed and stopped with exactly the fields of the contract", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const worker = await cluster.connectedWorker("a");
  const renewed = await worker.waitFor("renewed");
  const { code } = await worker.stop();
  assertEquals(code, 0);
  const { events } = worker;
  assertEquals(
    events.map(({ event }) => event),
    ["joined", "connected", "renewed", "stopped"],
  );
  const [joined, connected, , stopped] = events;
  assert(joined && connected && stopped);
  assertFields(joined, CERTIFICATE_FIELDS);
  assertFields(renewed, CERTIFICATE_FIELDS);
  assertFields(connected, ["event", "at", "node", "manager"]);
  assertFields(stopped, ["event", "at", "reason"]);
  assertMatch(String(joined["node"]), ID_REGEXP);
  for (const event of [connected, renewed]) {
    assertEquals(event["node"], joined["node"]);
  }
  assertEquals(connected["manager"], cluster.listen);
  assert(renewed["serial"] !== joined["serial"]);
  for (const { notBefore, notAfter, issuer } of [joined, renewed] as never[]) {
    assertMatch(notBefore, TIME_REGEXP);
    assertMatch(notAfter, TIME_REGEXP);
    assertStringIncludes(issuer, "swarm-ca");
    assert(Date.parse(notBefore) < Date.parse(notAfter));
  }
  const at = Date.parse(String(joined["at"]));
  const end = Date.parse(String(joined["notAfter"]));
  assert(Math.abs(end - at - 15_000) < 2_000);
});

Deno.test("the events that a manager tells of itself are ready, renewed and stopped", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const renewed = await cluster.manager.waitFor("renewed");
  assertFields(renewed, CERTIFICATE_FIELDS);
  assertEquals(renewed["node"], cluster.ready["node"]);
  await cluster.manager.stop();
  const names = new Set(cluster.manager.events.map(({ event }) => event));
  assertEquals([...names], ["ready", "renewed", "stopped"]);
});

Deno.test("disconnected is told when the session is really interrupted, and connected again", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  await cluster.manager.kill();
  const lost = await worker.waitFor("disconnected");
  assertFields(lost, ["event", "at", "node", "manager", "reason"]);
  assertEquals(lost["manager"], cluster.listen);
  await cluster.runManager();
  await worker.waitFor("connected");
  await worker.stop();
  assertEquals(
    worker.events.map(({ event }) => event),
    ["joined", "connected", "disconnected", "connected", "stopped"],
  );
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends a manager and a worker in order, with 0`, async () => {
    await using cluster = await Cluster.start();
    const worker = await cluster.connectedWorker("a");
    for (const process of [worker, cluster.manager]) {
      const { code, stderr } = await process.stop(signal);
      assertEquals(code, 0, stderr);
      const last = process.events.at(-1);
      assertEquals(last?.event, "stopped");
      assertEquals(last?.["reason"], signal);
    }
  });

  Deno.test(`${signal} ends a worker that waits for its manager, with 0`, async () => {
    await using cluster = await Cluster.start();
    const worker = await cluster.connectedWorker("a");
    await cluster.manager.kill();
    await worker.waitFor("disconnected");
    const { code } = await worker.stop(signal, { timeoutMs: 3_000 });
    assertEquals(code, 0);
    assertEquals(worker.events.at(-1)?.event, "stopped");
  });
}

Deno.test("SIGINT ends a join whose manager does not answer, with 130", async () => {
  await using cluster = await Cluster.start();
  // Takes connections, and says nothing.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  const worker = cluster.join("a", { managers: [`127.0.0.1:${port}`] });
  using _asked = await silent.accept();
  const { code } = await worker.stop("SIGINT", { timeoutMs: 3_000 });
  assertEquals(code, INTERRUPTED, worker.stderr);
});

async function isServed({ port }: Cluster): Promise<true | undefined> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return undefined;
  }
}
