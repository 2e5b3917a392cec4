import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { RotationSummary } from "../../lib/cluster/local_api.ts";
import { make } from "../pki/ca_files.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cluster } from "./cluster.ts";
import { eventually, type Swarmd } from "./harness.ts";
import { Parties } from "./parties.ts";

/** A cluster of an authority of one's own, which is left for a new root. */
async function corporateCluster(folder: OpensslFolder): Promise<Cluster> {
  await make(folder, "corporate");
  return await Cluster.start({
    init: [
      `--ca-cert=${folder.path}/corporate.pem`,
      `--ca-key=${folder.path}/corporate.key`,
    ],
  });
}

function idOf(worker: Swarmd): string {
  return String(worker.events[0]?.["node"]);
}

async function held(
  cluster: Cluster,
  { phase, by }: { readonly phase: string; readonly by: string },
): Promise<void> {
  await eventually(`${phase}, held by ${by}`, async () => {
    const status = await cluster.ask<RotationSummary>("ca", "status");
    const [first, ...others] = status.stragglers;
    const alone = first?.node === by && others.length === 0;
    return status.phase === phase && alone || undefined;
  });
}

async function tokenOf(cluster: Cluster): Promise<string> {
  const { token } = await cluster.ask<{ token: string }>(
    ...["token", "show", "worker"],
  );
  return token;
}

/**
 * Held in `switching` by another manager: it trusts both roots, and is off when
 * it should renew.
 */
async function untilSwitching(cluster: Cluster) {
  const stays = await cluster.connectedWorker("stays");
  const late = await cluster.connectedWorker("late");
  const second = await cluster.connectedWorker("second", {
    token: cluster.tokens.manager,
  });
  await late.kill();
  await cluster.ask("ca", "rotate", "--trust-first", "--detach");
  await held(cluster, { phase: "trusting", by: idOf(late) });
  await second.kill();
  const back = cluster.runWorker("late");
  await held(cluster, { phase: "switching", by: idOf(second) });
  return { stays, second, late: back };
}

/** Who pins the new root and the manager accept each other, by their files. */
async function assertMutual(
  cluster: Cluster,
  names: readonly string[],
): Promise<void> {
  await using parties = await Parties.of(cluster, names);
  for (const name of names) {
    assertEquals(await parties.refusal(name, { by: "manager" }), undefined);
    assertEquals(await parties.refusal("manager", { by: name }), undefined);
  }
}

Deno.test("ca abort in the last phase of a trust-first rotation first recalls who joined in it", async () => {
  await using folder = await OpensslFolder.create();
  await using cluster = await corporateCluster(folder);
  const { rootDigest } = await cluster.ask<{ rootDigest: string }>(
    "ca",
    "show",
  );
  const { stays, second } = await untilSwitching(cluster);
  const token = await tokenOf(cluster);
  assert(token !== cluster.tokens.worker);
  const joiner = await cluster.connectedWorker("joiner", { token });
  const away = await cluster.connectedWorker("away", { token });
  await away.kill();
  const watch = cluster.start([
    ...["ca", "status", "--watch", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  await watch.waitForText(`"phase":"switching"`);

  await cluster.ask("ca", "abort");
  await held(cluster, { phase: "recalling", by: idOf(away) });
  await assertMutual(cluster, ["manager", "stays", "late", "joiner", "away"]);
  assertEquals(await tokenOf(cluster), token);

  const back = cluster.runWorker("away");
  assertEquals((await watch.waitForEnd()).code, 21);
  assertEquals(watch.events.at(-1), { event: "aborted", rootDigest });
  const again = cluster.runWorker("second");
  for (const worker of [stays, joiner, back, again]) {
    await cluster.node(
      idOf(worker),
      (row) => row.status === "ready" && row["trustRoot"] === rootDigest,
    );
  }
  assertEquals([idOf(back), idOf(again)], [idOf(away), idOf(second)]);
  for (const name of ["manager", "stays", "late", "joiner", "away", "second"]) {
    const leaf = `${cluster.dir(name)}/certificates/swarm-node.crt`;
    await folder.run(`verify -x509_strict -CAfile corporate.pem ${leaf}`);
  }
  for (const { events } of [stays, joiner]) {
    assert(!events.some(({ event }) => event === "disconnected"));
  }
  const refused = await cluster.join("refused", { token }).waitForEnd();
  assertStringIncludes(
    refused.stderr,
    "has another root CA than the token pins",
  );
  await cluster.connectedWorker("anew", { token: await tokenOf(cluster) });
});
