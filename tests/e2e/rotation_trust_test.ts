import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RotationSummary } from "../../lib/cluster/local_api.ts";
import { Cluster } from "./cluster.ts";
import { eventually, type Swarmd, swarmd } from "./harness.ts";
import { type Holding, Parties } from "./parties.ts";

/** Every party of these tests: a manager, and workers with a fate each. */
const ALL = ["manager", "early", "third", "late"];

const OLD: Holding = { roots: 1, chain: 1 };
/** It renewed, and trusts what it trusted. */
const RENEWED: Holding = { roots: 1, chain: 2 };
const BOTH: Holding = { roots: 2, chain: 2 };

/** `early` stays, `third` goes when it has renewed, `late` is gone before. */
async function fleet(cluster: Cluster) {
  const early = await cluster.connectedWorker("early");
  const third = await cluster.connectedWorker("third");
  const late = await cluster.connectedWorker("late");
  const id = (worker: Swarmd) => String(worker.events[0]?.["node"]);
  return {
    ...{ early, third, late },
    ids: { early: id(early), third: id(third), late: id(late) },
  };
}

/** Waits until a rotation is held in a phase, by exactly these nodes. */
async function held(
  cluster: Cluster,
  phase: string,
  by: readonly string[],
): Promise<RotationSummary> {
  const wanted = by.toSorted().join();
  return await eventually(`${phase}, held by ${wanted}`, async () => {
    const status = await cluster.ask<RotationSummary>("ca", "status");
    const behind = status.stragglers.map(({ node }) => node).sort().join();
    return status.phase === phase && behind === wanted ? status : undefined;
  });
}

/** Everybody accepts everybody, by what lies on the disks now. */
async function assertMutual(
  cluster: Cluster,
  holdings: Readonly<Record<string, Holding>>,
): Promise<void> {
  await using parties = await Parties.of(cluster, ALL);
  for (const [name, holding] of Object.entries(holdings)) {
    assertEquals(await parties.holding(name), holding, name);
  }
  assertEquals(await parties.strangers(ALL), []);
}

/** Under the present root alone, those are refused who never renewed. */
async function assertOver(
  cluster: Cluster,
  before: Parties,
): Promise<void> {
  await using parties = await Parties.of(cluster, ALL);
  assertEquals(await parties.strangers(ALL), []);
  for (const name of ALL) {
    await before.add(cluster, { from: name, as: `${name}-after` });
    const by = "early";
    assertStringIncludes(
      await before.refusal(`${name}-after`, { by }) ?? "accepted",
      "unable to get local issuer certificate",
    );
  }
}

Deno.test("openssl verify: at each phase of a rotation all parties accept each other, by the files on their disks", async () => {
  await using cluster = await Cluster.start();
  const { third, late, ids } = await fleet(cluster);
  await using before = await Parties.of(cluster, ALL);
  await assertMutual(cluster, { early: OLD, third: OLD, late: OLD });

  // Four of five are enough to go on at the deadline, three are not.
  await late.kill();
  await cluster.ask(
    ...["ca", "rotate", "--detach", "--deadline=15s", "--quorum=70"],
  );
  await held(cluster, "renewing", [ids.late]);
  await third.kill();
  const renewing = { manager: RENEWED, early: RENEWED, third: RENEWED };
  await assertMutual(cluster, { ...renewing, late: OLD });
  await assertNeedsCross(cluster);

  await held(cluster, "trusting", [ids.third, ids.late]);
  const trusting = { manager: BOTH, early: BOTH, third: RENEWED };
  await assertMutual(cluster, { ...trusting, late: OLD });

  await cluster.runWorker("third").waitFor("connected");
  await stable(cluster);
  await eventually("three nodes of one root", async () => {
    await using parties = await Parties.of(cluster, ALL);
    const all = [];
    for (const name of ALL) all.push(await parties.holding(name));
    return all.every(({ roots }) => roots === 1) || undefined;
  });
  await assertLeftBehind(cluster);

  const back = cluster.runWorker("late");
  await back.waitFor("recovered");
  await back.waitFor("root-changed");
  await cluster.node(ids.late, ({ status }) => status === "ready");
  await assertOver(cluster, before);
});

/** What makes a renewed leaf good for the others is what is sent with it. */
async function assertNeedsCross(cluster: Cluster): Promise<void> {
  await using parties = await Parties.of(cluster, ["early", "late"]);
  const reason = await parties.refusal("late", { by: "early", bare: true });
  assertStringIncludes(reason ?? "accepted", "unable to get local issuer");
}

/** Who missed it is refused by the rest, and itself accepts them still. */
async function assertLeftBehind(cluster: Cluster): Promise<void> {
  await using parties = await Parties.of(cluster, ALL);
  const rest = ALL.filter((name) => name !== "late");
  assertEquals(await parties.strangers(rest), []);
  for (const name of rest) {
    assertEquals(await parties.refusal("late", { by: name }), undefined);
    assertStringIncludes(
      await parties.refusal(name, { by: "late" }) ?? "accepted",
      "unable to get local issuer certificate",
    );
  }
}

/** Resolves at the end of a rotation. */
async function stable(cluster: Cluster): Promise<number> {
  const { code } = await swarmd([
    ...["ca", "status", "--watch", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  return code;
}

Deno.test("openssl verify: while an aborted rotation returns, all parties accept each other", async () => {
  await using cluster = await Cluster.start();
  const { third, late, ids } = await fleet(cluster);
  await late.kill();
  await cluster.ask("ca", "rotate", "--detach");
  await held(cluster, "renewing", [ids.late]);
  await third.kill();
  cluster.runWorker("late");
  await held(cluster, "trusting", [ids.third]);
  await assertMutual(cluster, { manager: BOTH, early: BOTH, third: RENEWED });

  await cluster.ask("ca", "abort");
  await held(cluster, "returning", [ids.third]);
  await assertMutual(cluster, { early: OLD, late: OLD, third: RENEWED });

  await cluster.runWorker("third").waitFor("connected");
  await stable(cluster);
  await assertMutual(cluster, { early: OLD, third: OLD, late: OLD });
});
