import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { swarmd } from "./harness.ts";

/** Less than a silent node is given, 15 s; how much less, a bench tells. */
const CUT_MS = 5_000;

/** When the manager removed a node, as it wrote it down. */
async function removedAt(cluster: Cluster, id: string): Promise<number> {
  const { stdout } = await swarmd([
    ...["audit", "tail", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  const entries = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return entries.find(({ action, node }) => action === "removed" && node === id)
    .at;
}

Deno.test("node rm ends a node's session at once, and nobody else's; it never comes back", async () => {
  await using cluster = await Cluster.start();
  const [gone, stays] = [
    await cluster.connectedWorker("gone"),
    await cluster.connectedWorker("stays"),
  ];
  const node = gone.events[0]?.["node"];
  const id = String(node);
  const dir = `--state-dir=${cluster.dir()}`;
  const polite = await swarmd(["node", "rm", id, dir]);
  assertEquals(polite.code, 17);
  assertMatch(polite.stderr, /it is ready.*\n.*--force/);
  assertEquals(
    await cluster.ask("node", "rm", "--force", id.slice(0, 8)),
    { id },
  );
  const { code, stderr } = await gone.waitForEnd();
  assertEquals(code, 14);
  assertMatch(stderr, /was removed/);
  const told = gone.events.find(({ event }) => event === "disconnected");
  const ms = Date.parse(String(told?.["at"])) - await removedAt(cluster, id);
  assert(ms < CUT_MS, `${ms} ms`);
  // Its files stay, and help it no more.
  const again = cluster.runWorker("gone");
  const ended = await again.waitForEnd();
  assertEquals(ended.code, 14);
  assertMatch(ended.stderr, /was removed at .*: an operator removed it/);
  await cluster.refusal("removed", { after: 0 });
  const denied = await cluster.ask<{ node: string }[]>("denylist", "ls");
  assertEquals(new Set(denied.map((each) => each.node)), new Set([id]));
  // With a token it is another node.
  const anew = await cluster.connectedWorker("gone");
  assert(anew.events[0]?.["node"] !== id);
  assertEquals(stays.events.length, 2);
  const { code: twice } = await swarmd(["node", "rm", id, dir]);
  assertEquals(twice, 18);
});

Deno.test("leave removes the node that asks, which ends in order", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const { stdout, code } = await swarmd([
    ...["leave", "--json", `--state-dir=${cluster.dir("a")}`],
  ]);
  assertEquals([code, JSON.parse(stdout)], [0, {
    id: worker.events[0]?.["node"],
  }]);
  assertEquals((await worker.waitForEnd()).code, 0);
  assertEquals(worker.events.at(-1)?.["reason"], "left the cluster");
  assertEquals((await cluster.nodes()).length, 1);
});

Deno.test("suspend cuts a node off, resume lets it back", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const id = String(worker.events[0]?.["node"]);
  await cluster.ask("node", "suspend", id);
  await worker.waitFor("disconnected");
  assertEquals((await cluster.node(id)).status, "suspended");
  await cluster.refusal("suspended", { after: 0 });
  await cluster.ask("node", "resume", id);
  await worker.waitFor("connected", { timeoutMs: 70_000 });
  await cluster.node(id, ({ status }) => status === "ready");
});

Deno.test("promote and demote: the store counts at once, the certificate follows", async () => {
  await using cluster = await Cluster.start({ life: "1h" });
  const worker = await cluster.connectedWorker("a");
  const id = String(worker.events[0]?.["node"]);
  const openssl = async () => {
    const path = `${cluster.dir("a")}/certificates/swarm-node.crt`;
    const { stdout } = await new Deno.Command("openssl", {
      args: ["x509", "-noout", "-subject", "-in", path],
    }).output();
    return new TextDecoder().decode(stdout);
  };
  await cluster.ask("node", "promote", id);
  await worker.waitFor("renewed");
  assertMatch(await openssl(), /OU ?= ?swarm-manager/);
  const { role } = await cluster.node(id);
  assertEquals(role, "manager");
  await cluster.ask("node", "demote", id);
  assertEquals((await cluster.node(id)).role, "worker");
  // The certificate still says manager: the manager's HTTP API refuses it.
  const files = `${cluster.dir("a")}/certificates`;
  const { stdout } = await new Deno.Command("curl", {
    args: [
      ...["-s", "--cacert", `${files}/swarm-root-ca.crt`],
      ...["--cert", `${files}/swarm-node.crt`],
      ...["--key", `${files}/swarm-node.key`],
      ...["--connect-to", `swarm-manager:${cluster.port}:${cluster.listen}`],
      `https://swarm-manager:${cluster.port}/v1/nodes`,
    ],
  }).output();
  assertMatch(new TextDecoder().decode(stdout), /"code":"(role|replaced)"/);
});
