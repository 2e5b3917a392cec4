import { assert, assertEquals, assertMatch } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { systemCrypto } from "../../lib/net/system.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { Cluster } from "./cluster.ts";
import { eventually, swarmd, within } from "./harness.ts";
import { type RawMessage, RawPeer } from "./raw_peer.ts";
import { dialDeno } from "./raw_tls.ts";

/** A line of `node ls --pending --json`. */
interface Applicant {
  readonly id: string;
  readonly fingerprint: string;
  readonly state: string;
  readonly [field: string]: unknown;
}

async function approving(): Promise<Cluster> {
  const cluster = await Cluster.start({ init: ["--log-level=debug"] });
  await cluster.ask("cluster", "update", "--require-approval", "on");
  return cluster;
}

async function pending(cluster: Cluster): Promise<Applicant[]> {
  return await cluster.ask<Applicant[]>("node", "ls", "--pending");
}

/** At its start a manager dials itself, to see its own certificate. */
const OWN_DIALS = 1;

/** Connections of others that have ended, as the manager saw it. */
function closedAt({ manager }: Cluster): number {
  const closed = manager.log.filter(({ message }) =>
    message === "Connection closed"
  );
  return closed.length - OWN_DIALS;
}

/** One that does not speak before it is spoken to, and then by hand. */
async function applicant(
  cluster: Cluster,
  csr?: string,
): Promise<{ peer: RawPeer; csr: string; pending: RawMessage }> {
  const path = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  const ca = await Deno.readTextFile(path);
  const key = await systemCrypto.generateKey();
  csr ??= toBase64(await createCsr(systemCrypto, key));
  const secret = cluster.tokens.worker.split("-").at(-1) ?? "";
  const description = { hostname: "raw", os: "o", arch: "a", version: "0" };
  const peer = new RawPeer(await dialDeno({ port: cluster.port, ca }));
  assertEquals((await peer.hello()).kind, "result");
  const params = { secret, csr, description };
  await peer.send({ id: 7, method: "join", params });
  const pending = await said(peer);
  assertEquals(pending["method"], "pending");
  return { peer, csr, pending: pending["params"] as RawMessage };
}

/** The next message. */
async function said(peer: RawPeer): Promise<RawMessage> {
  const message = await within("a message", peer.next());
  assert(message, "the connection ended");
  return message;
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
  const there = `--state-dir=${cluster.dir("a")}`;
  const asked = await swarmd(["status", "--json", there]);
  const { state, pending: shown } = JSON.parse(asked.stdout);
  assertEquals([state, shown], ["joining", { node, fingerprint }]);
  assertEquals((await swarmd(["leave", there])).code, 17);
  const dir = `--state-dir=${cluster.dir()}`;
  const accept = (prefix: string) =>
    swarmd(["node", "accept", waits.id, `--fingerprint=${prefix}`, dir]);
  assertEquals((await accept("0".repeat(16))).code, 17);
  assertEquals((await accept(String(fingerprint).slice(0, 7))).code, 2);
  assertEquals((await accept(String(fingerprint).slice(0, 8))).code, 0);
  const joined = await worker.waitFor("joined");
  assertEquals(joined["node"], node);
  await worker.waitFor("connected");
  // One for the root, and the one that waited: nobody asked a second time.
  assertEquals(closedAt(cluster), 2);
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
  await eventually(
    "both to end",
    () => Promise.resolve(closedAt(cluster) === 2 || undefined),
  );
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
  await cluster.manager.stop();
  const lost = await again.waitForLog(({ message }) =>
    message.includes("asking again")
  );
  assertMatch(String(lost["error"]), /the manager stops/);
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

Deno.test("who waits is not pushed out by 600 strangers", async () => {
  await using cluster = await approving();
  const worker = cluster.join("a");
  const { node } = await worker.waitFor("pending");
  await using strangers = new AsyncDisposableStack();
  const address = { hostname: "127.0.0.1", port: cluster.port };
  for (let i = 0; i < 600; i++) strangers.use(await Deno.connect(address));
  await cluster.manager.waitForLog(({ message }) =>
    /too many that are not admitted/.test(message)
  );
  await cluster.ask("node", "accept", String(node));
  assertEquals((await worker.waitFor("joined"))["node"], node);
  assertEquals(worker.log.filter(({ level }) => level === "warn"), []);
});

Deno.test("who waits on two connections is answered on the newer, the older is closed", async () => {
  await using cluster = await approving();
  const first = await applicant(cluster);
  await using older = first.peer;
  const second = await applicant(cluster, first.csr);
  await using newer = second.peer;
  assertEquals(second.pending["node"], first.pending["node"]);
  const closed = await said(older);
  assertEquals(closed["method"], "close");
  assertMatch(JSON.stringify(closed), /session-ended.*the same key/);
  await older.ended();
  assertEquals((await pending(cluster)).length, 1);
  const { node } = second.pending;
  await cluster.ask("node", "accept", String(node));
  const answer = await said(newer);
  assertEquals([answer["id"], "result" in answer], [7, true]);
  await newer.ended();
});

Deno.test("who says anything while it waits is refused, and keeps its place in the queue", async () => {
  await using cluster = await approving();
  const { peer, csr, pending: told } = await applicant(cluster);
  await using flood = peer;
  for (let id = 8; id < 1_000; id++) {
    await flood.send({ id, method: "ca.root", params: {} });
  }
  // The last words may be lost to the reset that what it sent unread brings.
  await cluster.manager.waitForLog(({ message, code }) =>
    message === "Connection refused" && code === "bad-message"
  );
  await flood.ended();
  const again = await applicant(cluster, csr);
  await using _ = again.peer;
  assertEquals(again.pending["node"], told["node"]);
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
