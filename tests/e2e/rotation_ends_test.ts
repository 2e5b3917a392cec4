import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RotationSummary } from "../../lib/cluster/local_api.ts";
import { make } from "../pki/ca_files.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cluster } from "./cluster.ts";
import { eventually, type Swarmd, swarmd } from "./harness.ts";

/** A line of `ca rotate --json`, or of `ca status --watch --json`. */
interface Line {
  readonly event: string;
  readonly phase?: string;
  readonly done?: number;
  readonly total?: number;
  readonly rootDigest?: string;
  readonly stragglers?: readonly { node: string; reason: string }[];
}

/** Runs a command that tells how a rotation goes, to its end. */
async function told(
  cluster: Cluster,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly lines: readonly Line[] }> {
  const dir = `--state-dir=${cluster.dir()}`;
  const { code, stdout } = await swarmd([...args, "--json", dir], {
    timeoutMs: 60_000,
  });
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { code, lines };
}

async function rootOf(cluster: Cluster): Promise<string> {
  const { rootDigest } = await cluster.ask<{ rootDigest: string }>(
    ...["ca", "show"] as const,
  );
  return rootDigest;
}

async function status(cluster: Cluster): Promise<RotationSummary> {
  return await cluster.ask<RotationSummary>("ca", "status");
}

function idOf(worker: Swarmd): string {
  return String(worker.events[0]?.["node"]);
}

/** It comes back by itself, as the node that it was. */
async function assertReturns(
  cluster: Cluster,
  { name, id }: { readonly name: string; readonly id: string },
): Promise<void> {
  const rootDigest = await rootOf(cluster);
  const worker = cluster.runWorker(name);
  const recovered = await worker.waitFor("recovered");
  assertEquals([recovered["node"], recovered["reason"]], [id, "dropped-root"]);
  await cluster.node(
    id,
    (row) => row.status === "ready" && row["trustRoot"] === rootDigest,
  );
}

Deno.test("ca rotate --json tells phases with who is behind and why, and names at its end whom it left", async () => {
  await using cluster = await Cluster.start();
  const stays = await cluster.connectedWorker("stays");
  const away = await cluster.connectedWorker("away");
  await away.kill();
  const { code, lines } = await told(
    ...[cluster, "ca", "rotate", "--deadline=3s", "--quorum=60"] as const,
  );
  assertEquals(code, 0);
  const phases = lines.slice(0, -1);
  const known = new Set(
    [idOf(stays), idOf(away), String(cluster.ready["node"])],
  );
  for (const { event, phase = "", done = NaN, total, stragglers } of phases) {
    assertEquals(event, "phase");
    assert(["renewing", "trusting"].includes(phase), phase);
    assertEquals(total, 3);
    assertEquals(done + (stragglers?.length ?? NaN), total);
    for (const { node } of stragglers ?? []) assert(known.has(node), node);
  }
  // The second phase is short: a look may miss who is the last to follow.
  const [straggler, ...others] = phases
    .findLast(({ phase }) => phase === "renewing")?.stragglers ?? [];
  assertEquals([straggler?.node, others], [idOf(away), []]);
  assertMatch(straggler?.reason ?? "", /^down since \d{4}-/);
  const last = lines.at(-1);
  assertEquals(last?.event, "finished");
  assertEquals(last?.rootDigest, await rootOf(cluster));
  assertEquals(last?.stragglers?.map(({ node }) => node), [idOf(away)]);
  assertMatch(last?.stragglers?.[0]?.reason ?? "", /^down since \d{4}-/);
});

Deno.test("without a quorum a deadline ends nothing; those who missed two rotations come back by themselves", async () => {
  await using cluster = await Cluster.start();
  const stays = await cluster.connectedWorker("stays");
  const [one, two] = [
    await cluster.connectedWorker("one"),
    await cluster.connectedWorker("two"),
  ];
  for (const worker of [one, two]) await worker.kill();
  // Two of four follow, wanted are three: nothing ends before one is back.
  await cluster.ask(
    ...["ca", "rotate", "--detach", "--deadline=1s", "--quorum=75"],
  );
  await stays.waitFor("renewed");
  await eventually("the deadline to be over", async () => {
    const { deadline = "" } = await status(cluster);
    return Date.parse(deadline) + 1_000 < Date.now() || undefined;
  });
  const { phase, done, total } = await status(cluster);
  assertEquals([phase, done, total], ["renewing", 2, 4]);
  const second = cluster.runWorker("two");
  const first = await told(cluster, "ca", "status", "--watch");
  assertEquals([first.code, first.lines.at(-1)?.event], [0, "finished"]);
  await second.waitFor("root-changed");
  // `one` misses this one as well, and `two` is away again.
  await second.kill();
  const next = await told(
    ...[cluster, "ca", "rotate", "--deadline=1s", "--quorum=50"] as const,
  );
  assertEquals([next.code, next.lines.at(-1)?.event], [0, "finished"]);
  await assertReturns(cluster, { name: "one", id: idOf(one) });
  await assertReturns(cluster, { name: "two", id: idOf(two) });
  assertEquals((await cluster.nodes()).length, 4);
  const names = stays.events.map(({ event }) => event);
  assertEquals(names.includes("disconnected"), false);
});

Deno.test("ca finish ends a rotation without who is down, who comes back by itself", async () => {
  await using cluster = await Cluster.start();
  const stays = await cluster.connectedWorker("stays");
  const away = await cluster.connectedWorker("away");
  await away.kill();
  const { target } = await cluster.ask<RotationSummary>(
    ...["ca", "rotate", "--detach"],
  );
  await stays.waitFor("renewed");
  const dir = `--state-dir=${cluster.dir()}`;
  const watch = cluster.start(["ca", "status", "--watch", "--json", dir]);
  await watch.waitForText(`"phase":"renewing"`);
  await cluster.ask("ca", "finish");
  assertEquals((await watch.waitForEnd()).code, 0);
  const last = watch.events.at(-1);
  assertEquals([last?.event, last?.["rootDigest"]], ["finished", target]);
  const left = last?.["stragglers"] as Line["stragglers"];
  assertEquals(left?.map(({ node }) => node), [idOf(away)]);
  assertEquals(await rootOf(cluster), target);
  await assertReturns(cluster, { name: "away", id: idOf(away) });
  const none = await swarmd(["ca", "finish", dir]);
  assertEquals(none.code, 17);
  assertMatch(none.stderr, /No root rotation is under way/);
});

Deno.test("ca rotate --compromised --cut-all carries nobody over, and all come back with the new token only", async () => {
  await using cluster = await Cluster.start();
  const workers = [
    await cluster.connectedWorker("a"),
    await cluster.connectedWorker("b"),
  ];
  const old = await rootOf(cluster);
  const began = Date.now();
  const cut = await cluster.ask<Record<string, unknown>>(
    ...["ca", "rotate", "--compromised", "--cut-all"],
  );
  assertEquals(cut["event"], "finished");
  assertEquals(cut["carried"], []);
  assertEquals(
    (cut["left"] as string[]).toSorted(),
    workers.map(idOf).toSorted(),
  );
  for (const worker of workers) {
    const { at } = await worker.waitFor("disconnected");
    assert(Date.parse(String(at)) - began < 5_000, String(at));
    // A stolen key of the old root can forge this: no identity is lost by it.
    await worker.waitForLog(({ message }) => /No session/.test(message));
    await worker.stop();
  }
  assertEquals(cut["rootDigest"], await rootOf(cluster));
  assert(cut["rootDigest"] !== old);
  const late = cluster.join("late");
  assertEquals((await late.waitForEnd()).code, 12);
  const { token } = await cluster.ask<{ token: string }>(
    ...["token", "show", "worker"],
  );
  const anew = await cluster.connectedWorker("late", { token });
  await cluster.node(
    idOf(anew),
    ({ trustRoot }) => trustRoot === cut["rootDigest"],
  );
});

Deno.test("ca rotate --ca-cert --ca-key carries the fleet to an authority of one's own", async () => {
  await using folder = await OpensslFolder.create();
  await make(folder, "corporate", {
    key: "EC -pkeyopt ec_paramgen_curve:P-384",
  });
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("w");
  const { code, lines } = await told(cluster, "ca", "rotate", ...[
    `--ca-cert=${folder.path}/corporate.pem`,
    `--ca-key=${folder.path}/corporate.key`,
  ]);
  assertEquals([code, lines.at(-1)?.event], [0, "finished"]);
  const { pem } = await cluster.ask<{ pem: string }>("ca", "show");
  assertEquals(pem.trim(), (await folder.read("corporate.pem")).trim());
  await worker.waitFor("renewed");
  await worker.waitFor("root-changed");
  for (const name of ["manager", "w"]) {
    const leaf = `${cluster.dir(name)}/certificates/swarm-node.crt`;
    await folder.run(`verify -x509_strict -CAfile corporate.pem ${leaf}`);
  }
  const names = worker.events.map(({ event }) => event);
  assertEquals(names.includes("disconnected"), false);
  await cluster.connectedWorker("late"); // by a token that pins the root before
});
