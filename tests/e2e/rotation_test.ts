import { assert, assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { swarmd } from "./harness.ts";

/** What `ca rotate --json` told, line by line. */
async function rotate(
  cluster: Cluster,
  ...args: readonly string[]
): Promise<{ code: number; lines: Record<string, unknown>[] }> {
  const { code, stdout, stderr } = await swarmd([
    ...["ca", "rotate", "--json", `--state-dir=${cluster.dir()}`],
    ...args,
  ]);
  assertEquals(stderr, "");
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { code, lines };
}

Deno.test("ca rotate carries every node to a new root, and nobody notices", async () => {
  await using cluster = await Cluster.start();
  const names = ["a", "b", "c"];
  const workers = await Promise.all(
    names.map((name) => cluster.connectedWorker(name)),
  );
  const before = await cluster.ask<{ rootDigest: string }>("ca", "show");
  const { code, lines } = await rotate(cluster);
  assertEquals(code, 0);
  const last = lines.at(-1);
  assertEquals(last?.["event"], "finished");
  assertEquals(last?.["stragglers"], []);
  const phases = lines.slice(0, -1).map(({ phase }) => phase);
  assertEquals([...new Set(phases)], ["renewing", "trusting"]);
  const after = await cluster.ask<{ rootDigest: string; generation: number }>(
    ...["ca", "show"] as const,
  );
  assertEquals(after.generation, 2);
  assertEquals(after.rootDigest, last?.["rootDigest"]);
  assert(after.rootDigest !== before.rootDigest);
  for (const worker of workers) {
    await worker.waitFor("renewed");
    await worker.waitFor("root-changed");
    const told = worker.events.map(({ event }) => event);
    assertEquals(told.includes("disconnected"), false);
  }
  const refused = cluster.manager.log.filter(({ message }) =>
    /refused/i.test(message)
  );
  assertEquals(refused, []);
  for (const { id } of await cluster.nodes()) {
    await cluster.node(id, ({ trustRoot }) => trustRoot === after.rootDigest);
  }
});

Deno.test("ca abort turns every node back, and the key of the new root is gone", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const away = await cluster.connectedWorker("away");
  await away.kill();
  const before = await cluster.ask<{ rootDigest: string }>("ca", "show");
  await cluster.ask("ca", "rotate", "--detach");
  await worker.waitFor("renewed");
  const { phase, stragglers } = await cluster.ask<Rotation>("ca", "status");
  assertEquals(phase, "renewing");
  const [straggler] = stragglers;
  assert(straggler && /^down since /.test(straggler.reason), straggler?.reason);
  await cluster.ask("ca", "abort");
  await worker.waitFor("renewed");
  // One that is away and was never under the new root holds nobody up.
  const { code, stdout } = await swarmd([
    ...["ca", "status", "--watch", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  const { event, phase: rest } = JSON.parse(
    stdout.trim().split("\n").at(-1) ?? "",
  );
  // It may be over before it is watched.
  if (code === 21) assertEquals(event, "aborted");
  else assertEquals([code, event, rest], [0, "phase", "stable"]);
  const after = await cluster.ask<{ rootDigest: string }>("ca", "show");
  assertEquals(after.rootDigest, before.rootDigest);
  assertEquals(
    worker.events.some(({ event }) => event === "disconnected"),
    false,
  );
});

Deno.test("a rotation survives the manager's death, and ends at the deadline without those who are away", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const away = await cluster.connectedWorker("away");
  await away.kill();
  await cluster.ask(
    ...["ca", "rotate", "--detach", "--deadline", "8s", "--quorum", "50"],
  );
  await worker.waitFor("renewed");
  await cluster.manager.kill();
  await cluster.runManager();
  const { code, stdout } = await swarmd([
    ...["ca", "status", "--watch", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  assertEquals(code, 0, stdout);
  await worker.waitFor("root-changed");
  const { generation, rootDigest } = await cluster.ask<
    { generation: number; rootDigest: string }
  >("ca", "show");
  assertEquals(generation, 2);
  const id = String(worker.events[0]?.["node"]);
  await cluster.node(id, ({ trustRoot }) => trustRoot === rootDigest);
});

interface Rotation {
  readonly phase: string;
  readonly stragglers: readonly { node: string; reason: string }[];
}

Deno.test("a second rotation on top of the first takes its place", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const away = await cluster.connectedWorker("away");
  await away.kill();
  const { target: first } = await cluster.ask<{ target: string }>(
    ...["ca", "rotate", "--detach"],
  );
  await worker.waitFor("renewed");
  const { target: second } = await cluster.ask<{ target: string }>(
    ...["ca", "rotate", "--detach"],
  );
  assert(first !== second);
  await worker.waitFor("renewed");
  cluster.runWorker("away");
  const { code, stdout } = await swarmd([
    ...["ca", "status", "--watch", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  assertEquals(code, 0, stdout);
  const { generation, rootDigest } = await cluster.ask<
    { generation: number; rootDigest: string }
  >("ca", "show");
  assertEquals([generation, rootDigest], [3, second]);
  assertEquals(
    worker.events.some(({ event }) => event === "disconnected"),
    false,
  );
});

Deno.test("ca rotate --compromised carries over who is connected, and nothing under the old root is good again", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const away = await cluster.connectedWorker("away");
  const { token: old } = await cluster.ask<{ token: string }>(
    ...["token", "show", "worker"],
  );
  await away.kill();
  const [stays, left] = [worker, away].map((each) =>
    String(each.events[0]?.["node"])
  );
  await cluster.node(left ?? "", ({ status }) => status === "down");
  const cut = await cluster.ask<Record<string, unknown>>(
    ...["ca", "rotate", "--compromised"],
  );
  assertEquals([cut["carried"], cut["left"]], [[stays], [left]]);
  await worker.waitFor("renewed");
  await worker.waitFor("root-changed");
  await cluster.node(
    stays ?? "",
    ({ trustRoot }) => trustRoot === cut["rootDigest"],
  );
  assertEquals(
    worker.events.some(({ event }) => event === "disconnected"),
    false,
  );
  // The one that was away cannot come back, and the old token is void.
  const back = cluster.runWorker("away");
  await back.waitForLog(({ message }) => /No session/.test(message));
  const late = cluster.join("late", { token: old });
  assertEquals((await late.waitForEnd()).code, 12);
  const { token } = await cluster.ask<{ token: string }>(
    ...["token", "show", "worker"],
  );
  await cluster.connectedWorker("late", { token });
});

Deno.test("ca rotate --dry-run rehearses with every connected node, and changes nothing", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const away = await cluster.connectedWorker("away");
  await away.kill();
  const before = await cluster.nodes();
  const summary = await cluster.ask<Record<string, unknown>>(
    ...["ca", "rotate", "--dry-run"],
  );
  assertEquals(summary, {
    ready: 1,
    problems: [],
    absent: [away.events[0]?.["node"]],
  });
  const after = await cluster.nodes();
  assertEquals(
    after.map(({ certificate }) => certificate),
    before.map(({ certificate }) => certificate),
  );
  assertEquals(worker.events.length, 2);
  assertEquals((await cluster.ask<Rotation>("ca", "status")).phase, "stable");
});
