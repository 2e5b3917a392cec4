import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { eventually, swarmd } from "./harness.ts";

/** A line of `node ls --pending --json`. */
interface Applicant {
  readonly id: string;
  readonly fingerprint: string;
  readonly state: string;
  readonly [field: string]: unknown;
}

async function approving(): Promise<Cluster> {
  const cluster = await Cluster.start();
  await cluster.ask("cluster", "update", "--require-approval", "on");
  return cluster;
}

async function pending(cluster: Cluster): Promise<Applicant[]> {
  return await cluster.ask<Applicant[]>("node", "ls", "--pending");
}

/** SHA-256 of the public key in a PEM file, as openssl finds it. */
async function fingerprintOf(path: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: [
      "-c",
      'openssl pkey -in "$1" -pubout -outform DER | openssl dgst -sha256',
      ...["sh", path],
    ],
  }).output();
  return new TextDecoder().decode(stdout).trim().split(/[= ]+/).at(-1) ?? "";
}

Deno.test("a joiner waits until an operator accepts the key that both see", async () => {
  await using cluster = await approving();
  const worker = cluster.join("a");
  const { node, fingerprint } = await worker.waitFor("pending");
  const [waits] = await pending(cluster);
  assert(waits);
  assertEquals([waits.id, waits.fingerprint], [node, fingerprint]);
  assertEquals(waits["address"], "127.0.0.1");
  assertEquals(waits["hostname"], Deno.hostname());
  assertEquals(waits.state, "waiting");
  assertEquals((await cluster.nodes()).length, 1);
  const dir = `--state-dir=${cluster.dir()}`;
  const accept = (prefix: string) =>
    swarmd(["node", "accept", waits.id, `--fingerprint=${prefix}`, dir]);
  assertEquals((await accept("0".repeat(16))).code, 17);
  assertEquals((await accept(String(fingerprint).slice(0, 7))).code, 2);
  assertEquals((await accept(String(fingerprint).slice(0, 8))).code, 0);
  const joined = await worker.waitFor("joined");
  assertEquals(joined["node"], node);
  await worker.waitFor("connected");
  assertEquals(await pending(cluster), []);
  const key = `${cluster.dir("a")}/certificates/swarm-node.key`;
  assertEquals(await fingerprintOf(key), fingerprint);
});

Deno.test("a joiner that is rejected is told so, ends, and comes back as another", async () => {
  await using cluster = await approving();
  const worker = cluster.join("a");
  const { node, fingerprint } = await worker.waitFor("pending");
  await cluster.ask("node", "reject", String(node));
  const { code, stderr } = await worker.waitForEnd();
  assertEquals(code, 17);
  assertMatch(stderr, /an operator rejected this machine/);
  const again = cluster.join("a");
  const second = await again.waitFor("pending");
  assert(second["node"] !== node && second["fingerprint"] !== fingerprint);
  // Its token ends, and it with it.
  await cluster.ask("token", "rotate", "worker");
  assertEquals((await again.waitForEnd()).code, 11);
  assertEquals(await pending(cluster), []);
  assertEquals((await cluster.nodes()).length, 1);
});

Deno.test("who waits keeps its place over kills of the manager and of itself", async () => {
  await using cluster = await approving();
  const worker = cluster.join("a");
  const { node } = await worker.waitFor("pending");
  await cluster.manager.kill();
  await cluster.runManager();
  await worker.kill();
  const again = cluster.join("a");
  assertEquals((await again.waitFor("pending"))["node"], node);
  await cluster.manager.kill();
  await again.waitForLog(({ message }) => message.includes("asking again"));
  await cluster.runManager();
  await cluster.ask("node", "accept", String(node));
  await again.waitFor("connected");
  assertEquals(
    (await cluster.nodes()).map(({ id }) => id).includes(
      String(node),
    ),
    true,
  );
});

Deno.test("revoking a created token rejects who waits by it; others wait on", async () => {
  await using cluster = await approving();
  const made = await cluster.ask<{ id: string; token: string }>(
    ...["token", "create", "--uses", "5"],
  );
  const [by, other] = [
    cluster.join("a", { token: made.token }),
    cluster.join("b"),
  ];
  await Promise.all([by.waitFor("pending"), other.waitFor("pending")]);
  await cluster.ask("token", "revoke", made.id);
  assertEquals((await by.waitForEnd()).code, 17);
  assertEquals((await pending(cluster)).length, 1);
  // Switched off, nobody has to wait any more.
  await cluster.ask("cluster", "update", "--require-approval", "off");
  await other.waitFor("connected");
});

Deno.test("cluster update --cert-expiry counts for the next certificate", async () => {
  await using cluster = await Cluster.start();
  const settings = await cluster.ask<Record<string, unknown>>(
    ...["cluster", "update", "--cert-expiry", "2h"],
  );
  assertEquals(settings["certExpiryMs"], 7_200_000);
  assertEquals(await cluster.ask("cluster", "show"), settings);
  const worker = await cluster.connectedWorker("a");
  const node = await eventually(
    "its certificate",
    () => cluster.node(String(worker.events[0]?.["node"])),
  );
  const left = Date.parse(node.certificate["notAfter"] ?? "") - Date.now();
  assert(left > 7_100_000 && left <= 7_200_000, `${left}`);
  const dir = `--state-dir=${cluster.dir()}`;
  const { code, stderr } = await swarmd([
    ...["cluster", "update", "--cert-expiry", "59m", dir],
  ]);
  assertEquals(code, 17);
  assertMatch(stderr, /want 1h to 3650d/);
});
