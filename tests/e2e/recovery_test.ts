import { assert, assertEquals, assertMatch } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { systemCrypto, systemRandom } from "../../lib/net/system.ts";
import {
  type Certificate,
  readCertificate,
  readCertificates,
} from "../../lib/pki/certificate.ts";
import { crossSign } from "../../lib/pki/cross_sign.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { issueLeaf, newSerial } from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { Cluster, type NodeRow } from "./cluster.ts";
import { FakeManager, greeting } from "./fake_manager.ts";
import type { Swarmd } from "./harness.ts";
import { swarmd } from "./harness.ts";
import { Relay } from "./relay.ts";
import { copyEntries, namesIn } from "./tree.ts";
import { clockOff } from "./wrong_clock.ts";

/** A worker that is stopped, and the id of its node. */
async function stopped(cluster: Cluster, name = "a"): Promise<string> {
  const worker = await cluster.connectedWorker(name);
  await worker.stop();
  return String(worker.events[0]?.["node"]);
}

/** Resolves when the certificate in a directory has ended. */
async function ended(cluster: Cluster, name = "a"): Promise<void> {
  const show = ["cert", "show", `--state-dir=${cluster.dir(name)}`, "--json"];
  const { stdout } = await swarmd(show);
  const leftMs = Date.parse(JSON.parse(stdout).notAfter) - Date.now();
  await new Promise((resolve) => setTimeout(resolve, leftMs + 1_100));
}

/** The newest entries of the audit log about a node, by what they say. */
async function audited(cluster: Cluster, node: string): Promise<string[]> {
  const { stdout } = await swarmd([
    ...["audit", "tail", "--json", `--state-dir=${cluster.dir()}`],
  ]);
  const entries = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return entries.filter((each) => each.node === node)
    .map(({ action, why }) => `${action}: ${why ?? ""}`);
}

async function waiting(cluster: Cluster): Promise<NodeRow[]> {
  return await cluster.ask<NodeRow[]>("node", "ls", "--pending");
}

async function rotate(cluster: Cluster): Promise<void> {
  const { code, stderr } = await swarmd([
    ...["ca", "rotate", "--json", `--state-dir=${cluster.dir()}`],
    ...["--deadline=1s", "--quorum=1"],
  ]);
  assertEquals(code, 0, stderr);
}

function told(worker: Swarmd): string[] {
  return worker.events.map(({ event }) => event);
}

Deno.test("a worker whose certificate ended while it was off recovers by itself", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const id = await stopped(cluster);
  await ended(cluster);
  const worker = cluster.runWorker("a");
  const connected = await worker.waitFor("connected");
  assertEquals(connected["node"], id);
  const recovered = await worker.waitFor("recovered");
  assertEquals([recovered["node"], recovered["reason"]], [id, "expired"]);
  assertEquals((await cluster.node(id)).status, "ready");
  assert((await audited(cluster, id)).includes("recovered: expired"));
  assertEquals((await cluster.nodes()).length, 2);
  // And it goes on as it did before.
  await worker.waitFor("renewed", { timeoutMs: 30_000 });
});

Deno.test("a worker that missed two root rotations walks the succession and recovers", async () => {
  await using cluster = await Cluster.start();
  const id = await stopped(cluster);
  await rotate(cluster);
  await rotate(cluster);
  await cluster.manager.stop();
  await cluster.runManager();
  const { rootDigest } = await cluster
    .ask<{ rootDigest: string }>("ca", "show");
  const worker = cluster.runWorker("a");
  const recovered = await worker.waitFor("recovered");
  assertEquals([recovered["node"], recovered["reason"]], [id, "dropped-root"]);
  const changed = await worker.waitFor("root-changed");
  assertEquals(changed["rootDigest"], rootDigest);
  await cluster.node(
    id,
    (row) => row.status === "ready" && row["trustRoot"] === rootDigest,
  );
  // What it has learned lies on the disk: it needs no way any more.
  await worker.stop();
  const again = cluster.runWorker("a");
  await again.waitFor("connected");
  assertEquals(again.log.filter(({ level }) => level === "warn"), []);
});

Deno.test("after the grace of its root a worker walks the succession to a manager that it does not know", async () => {
  await using cluster = await Cluster.start();
  const id = await stopped(cluster);
  await rotate(cluster);
  await rotate(cluster);
  await cluster.manager.stop();
  const env = await clockOff("+30d");
  await cluster.runManager({ env });
  const worker = cluster.runWorker("a", { env });
  const recovered = await worker.waitFor("recovered");
  assertEquals([recovered["node"], recovered["reason"]], [id, "dropped-root"]);
  await worker.waitFor("root-changed");
  await cluster.node(id, ({ status }) => status === "ready");
});

Deno.test("a removed node does not recover", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const id = await stopped(cluster);
  await cluster.ask("node", "rm", "--force", id);
  await ended(cluster);
  const worker = cluster.runWorker("a");
  const { code, stderr } = await worker.waitForEnd();
  assertEquals(code, 14);
  assertMatch(stderr, /was removed/);
  assertMatch(stderr, /swarmd worker join/);
});

Deno.test("a node that waits to recover, and is removed, is told so and ends", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const id = await stopped(cluster);
  await cluster.ask("cluster", "update", "--recovery-window=0s");
  await ended(cluster);
  const worker = cluster.runWorker("a");
  await worker.waitFor("pending");
  await cluster.ask("node", "rm", id);
  const { code, stderr } = await worker.waitForEnd();
  assertEquals(code, 14);
  assertMatch(stderr, /was removed/);
  assertMatch(stderr, /swarmd worker join/);
  assertEquals(await waiting(cluster), []);
  assert((await namesIn(cluster.dir("a"))).includes("certificates"));
});

Deno.test("where nodes do not recover by themselves, an operator lets them in", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const id = await stopped(cluster);
  await cluster.ask("cluster", "update", "--recovery-window=0s");
  await ended(cluster);
  const worker = cluster.runWorker("a");
  const pending = await worker.waitFor("pending");
  assertEquals(pending["node"], id);
  const status = ["status", `--state-dir=${cluster.dir("a")}`];
  const { stdout } = await swarmd(status);
  assertMatch(stdout, /^recovery +expired: an operator decides/m);
  const [row, ...others] = await waiting(cluster);
  assertEquals(others, []);
  assertEquals([row?.id, row?.["kind"]], [id, "recover"]);
  assertEquals(row?.["fingerprint"], pending["fingerprint"]);
  assertMatch(String(row?.["why"]), /do not recover by themselves/);
  await cluster.ask("node", "accept", id.slice(0, 8));
  await worker.waitFor("connected");
  assertEquals((await worker.waitFor("recovered"))["node"], id);
  assertEquals(await waiting(cluster), []);
});

Deno.test("an old disk waits for an operator, and whoever runs is cut off only then", async () => {
  await using cluster = await Cluster.start({ life: "60s" });
  const id = await stopped(cluster);
  const machine = "a";
  const image = cluster.dir("image");
  await copyEntries(await namesIn(cluster.dir("a")), {
    from: cluster.dir("a"),
    to: image,
  });
  const owner = cluster.runWorker("a");
  await owner.waitFor("connected");
  await cluster.ask("node", "renew", id);
  await owner.waitFor("renewed");
  await owner.stop();
  await new Promise((resolve) => setTimeout(resolve, 7_500)); // the overlap
  const old = cluster.runWorker("image", { machine });
  const pending = await old.waitFor("pending", { timeoutMs: 60_000 });
  assertEquals(pending["node"], id);
  const [row] = await waiting(cluster);
  assertMatch(String(row?.["why"]), /replaced: an old disk/);
  await cluster.ask("node", "accept", id);
  await old.waitFor("connected");
});

Deno.test("after the store was restored, one word lets in everybody who renewed since", async () => {
  await using cluster = await Cluster.start({ life: "60s" });
  const workers = [
    await cluster.connectedWorker("a"),
    await cluster.connectedWorker("b"),
  ];
  const ids = workers.map(({ events }) => String(events[0]?.["node"]));
  await cluster.manager.stop();
  const backup = cluster.dir("backup");
  const names = (await namesIn(cluster.dir()))
    .filter((name) => name.startsWith("swarmd.db"));
  await copyEntries(names, { from: cluster.dir(), to: backup });
  await cluster.runManager();
  for (const [i, worker] of workers.entries()) {
    await worker.waitFor("connected", { timeoutMs: 60_000 });
    await cluster.ask("node", "renew", ids[i] ?? "");
    await worker.waitFor("renewed");
  }
  await cluster.manager.stop();
  for (const name of ["swarmd.db-wal", "swarmd.db-shm"]) {
    await Deno.remove(`${cluster.dir()}/${name}`).catch(() => {});
  }
  await copyEntries(names, { from: backup, to: cluster.dir() });
  await cluster.runManager();
  for (const worker of workers) await worker.waitFor("pending");
  const rows = await waiting(cluster);
  assertEquals(rows.map(({ id }) => id).sort(), ids.toSorted());
  for (const { why } of rows) assertMatch(String(why), /a restored store/);
  const word = ["node", "accept", "--newer-than-store"];
  const { accepted } = await cluster.ask<{ accepted: string[] }>(...word);
  assertEquals(accepted.sort(), ids.toSorted());
  for (const worker of workers) {
    const recovered = await worker.waitFor("recovered", { timeoutMs: 60_000 });
    assertEquals(recovered["reason"], "newer-than-store");
  }
});

// W15: a token of before a rotation works on, by the succession.
Deno.test("a token that pins a root of before joins while its grace lasts", async () => {
  await using cluster = await Cluster.start();
  const { rootDigest: before } = cluster.ready;
  await rotate(cluster);
  await rotate(cluster);
  const { rootDigest } = await cluster
    .ask<{ rootDigest: string }>("ca", "show");
  assert(before !== rootDigest);
  const worker = await cluster.connectedWorker("late");
  const id = String(worker.events[0]?.["node"]);
  await cluster.node(id, (row) => row["trustRoot"] === rootDigest);
  assertEquals(told(worker), ["joined", "connected"]);
});

/** A root of a forger, with the key identifier of another one. */
async function forgedRoot(generation: number, like?: Certificate) {
  const key = await systemCrypto.generateKey();
  const now = Date.now();
  const making = { random: systemRandom, now, generation, key };
  const der = await createRoot(systemCrypto, making);
  const root = await readCertificate(systemCrypto, der);
  const named = like && {
    subject: like.subject,
    subjectKeyId: like.subjectKeyId,
  };
  return { root: { ...root, ...named } as Certificate, key };
}

/** A manager's certificate under a root of its own, and links that claim it. */
async function forgeSuccession(cluster: Cluster, real?: Certificate) {
  const old = await forgedRoot(1, real);
  const fresh = await forgedRoot(2);
  const cross = await crossSign(systemCrypto, {
    ...{ root: fresh.root, generation: 2, successor: true },
    ...{ issuer: old.root, issuerKey: old.key.privateKey },
    ...{ clusterId: cluster.id, random: systemRandom, now: Date.now() },
    end: Date.now() + 3_600_000,
  });
  const leafKey = await systemCrypto.generateKey();
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  const leaf = await issueLeaf(systemCrypto, {
    issuer: fresh.root,
    issuerKey: fresh.key.privateKey,
    profile: {
      ...{ clusterId: cluster.id, nodeId: String(cluster.ready["node"]) },
      ...{
        role: "manager",
        spki: leafKey.spki,
        serial: newSerial(systemRandom),
      },
      ...{ notBefore: now - 60_000, notAfter: now + 3_600_000 },
      ...{ dnsNames: [], ipAddresses: ["127.0.0.1"] },
    },
  });
  const pkcs8 = await systemCrypto.exportPkcs8(leafKey.privateKey);
  const pair = {
    cert: encodePem("CERTIFICATE", leaf),
    key: encodePem("PRIVATE KEY", pkcs8),
  };
  const link = { root: toBase64(fresh.root.der), cross: toBase64(cross) };
  return { pair, link };
}

Deno.test("a forged manager whose links do not hold gets nothing", async () => {
  await using relay = new Relay(0);
  await using cluster = await Cluster.start({
    init: [`--advertise-addr=${relay.address}`],
  });
  relay.turnTo(cluster.port);
  const worker = await cluster.connectedWorker("a", {
    managers: [relay.address],
    args: ["--log-level=debug"],
  });
  const files = `${cluster.dir("a")}/certificates`;
  const bundle = `${files}/swarm-root-ca.crt`;
  const pem = await Deno.readTextFile(bundle);
  const [real] = await readCertificates(systemCrypto, pem);
  const { pair, link } = await forgeSuccession(cluster, real);
  const result = { links: [link] };
  await using fake = new FakeManager(pair, ({ method }) => {
    if (method === "hello") return { result: greeting() };
    if (method === "ca.succession") return { result };
    return { error: { code: -32000, message: "x", data: { code: "removed" } } };
  });
  relay.turnTo(fake.port);
  relay.cut();
  await worker.waitForLog(({ message, ...rest }) =>
    /No succession/.test(message) && /did not sign/.test(String(rest["error"]))
  );
  await worker.waitForLog((line) =>
    /no root of this node leads/.test(String(line["error"]))
  );
  const methods = new Set(fake.requests.map(({ method }) => method));
  assertEquals(methods, new Set(["hello", "ca.succession"]));
  assertEquals(await Deno.readTextFile(bundle), pem);
  relay.turnTo(cluster.port);
  relay.cut();
  await worker.waitFor("disconnected");
  await worker.waitFor("connected", { timeoutMs: 70_000 });
});
