import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import { formatDigest, rootDigest } from "../../lib/pki/root_digest.ts";
import { newSession } from "./caller.ts";
import { House, NOW } from "./house.ts";
import { Running } from "./running.ts";

type Fields = Record<string, unknown>;

async function ask(running: Running, path: string): Promise<Fields> {
  const { status, body } = await running.get(path);
  assertEquals(status, 200, path);
  return body as Fields;
}

function registration(house: House, { skewMs = 0 } = {}): Fields {
  return {
    ...{ hostname: "edge", os: "linux", arch: "arm64", version: "2" },
    issuer: "CN=swarm-ca",
    trustRoot: `sha256:${"ab".repeat(32)}`,
    now: house.clock.now() + skewMs,
  };
}

async function missing(running: Running, path: string): Promise<void> {
  const { status, body } = await running.get(path);
  const { error } = body as { error: Fields };
  assertEquals([status, error["code"]], [404, "not-found"], path);
}

Deno.test("ManagerApi shows a node from its join to its end", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addNode();
  const show = () => ask(running, `/v1/nodes/${node.id}`);
  const joining = await show();
  assertEquals(joining["status"], "joining");
  assertEquals(joining["lastSeen"], null);
  assertEquals(joining["trustRoot"], "");
  const caller = running.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  await caller.tell("node.register", registration(house, { skewMs: -1_234 }));
  const { pending: _, ...current } = house.node(node.id).certificates;
  const ready = await show();
  assertEquals(ready, {
    id: node.id,
    hostname: "edge",
    role: "worker",
    status: "ready",
    address: "10.0.0.9",
    version: "2",
    certificate: {
      serial: current.current?.serial,
      notBefore: "2025-12-31T23:00:00Z",
      notAfter: "2026-04-01T00:00:00Z",
      issuer: current.current?.issuer,
      fingerprint256: current.current?.fingerprint,
      keyFingerprint256: current.current?.spki,
      issuerKeyId: current.current?.issuerKeyId,
      role: "worker",
      issuedAt: "2026-01-01T00:00:00.000Z",
      chain: node.chain.map(toBase64),
    },
    trustRoot: `sha256:${"ab".repeat(32)}`,
    lastSeen: "2026-01-01T00:00:00.000Z",
    clockSkewMs: -1_234,
    os: "linux",
    arch: "arm64",
    createdAt: "2026-01-01T00:00:00.000Z",
    firstSeen: "2026-01-01T00:00:00.000Z",
    admission: "active",
    admitted: { by: "token", token: house.cluster.tokens.worker.id },
    trusts: null,
    recoveries: [],
  });
  await house.clock.advance(17 * SECOND);
  assertEquals((await show())["status"], "down");
  for (const admission of ["suspended", "conflict"] as const) {
    await house.change(node.id, { admission });
    assertEquals((await show())["status"], admission);
  }
  await house.remove(node.id);
  await missing(running, `/v1/nodes/${node.id}`);
});

Deno.test("ManagerApi shows what is pending, and what is still accepted", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addSeenNode();
  await house.renew(node);
  const path = `/v1/nodes/${node.id}`;
  const { pending } = house.node(node.id).certificates;
  const shown = (await ask(running, path))["pending"] as Fields;
  assertEquals(shown["fingerprint256"], pending?.fingerprint);
  await house.seen(node.id);
  const next = await ask(running, path);
  assertEquals(next["pending"], undefined);
  const previous = next["previous"] as Fields;
  assertEquals(previous["until"], "2026-01-01T00:05:01.000Z");
});

Deno.test("ManagerApi shows the whole record of a node, and the same for each of its certificates", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addSeenNode();
  await house.renew(node);
  await house.seen(node.id);
  await house.renew(node);
  const conflict = { at: NOW + HOUR, addresses: ["10.0.0.2", "10.0.0.1"] };
  await house.change(node.id, {
    ...{ admission: "conflict", conflict, approved: true },
    ...{ recoveries: [NOW, NOW + DAY], trusts: `sha256:${"cd".repeat(32)}` },
  });
  const shown = await ask(running, `/v1/nodes/${node.id}`);
  assertEquals(shown["conflict"], {
    since: "2026-01-01T01:00:00.000Z",
    addresses: ["10.0.0.2", "10.0.0.1"],
  });
  assertEquals([shown["status"], shown["admission"]], ["conflict", "conflict"]);
  assertEquals(shown["recoveries"], [
    "2026-01-01T00:00:00.000Z",
    "2026-01-02T00:00:00.000Z",
  ]);
  assertEquals(shown["trusts"], `sha256:${"cd".repeat(32)}`);
  assertEquals((shown["admitted"] as Fields)["approved"], true);
  const { current, pending, previous } = house.node(node.id).certificates;
  const records = { certificate: current, pending, previous };
  for (const [name, record] of Object.entries(records)) {
    const each = shown[name] as Fields;
    assertEquals(each["keyFingerprint256"], record?.spki, name);
    assertEquals(each["fingerprint256"], record?.fingerprint, name);
    assertEquals(each["chain"], record?.chain, name);
  }
  const own = await ask(running, `/v1/nodes/${house.manager.id}`);
  assertEquals(own["admitted"], { by: "init" });
});

Deno.test("ManagerApi shows a problem that a node tells of, and none of an older node", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addNode();
  const caller = running.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  const register = (more: Fields) =>
    caller.tell("node.register", { ...registration(house), ...more });
  const problem = async () =>
    (await ask(running, `/v1/nodes/${node.id}`))["problem"];
  await register({});
  assertEquals(await problem(), undefined);
  await register({ problem: "disk full" });
  assertEquals(await problem(), "disk full");
  for (const bad of ["", "two\nlines", "\u202e", "x".repeat(201)]) {
    await register({ problem: bad });
    assertEquals(await problem(), "disk full");
  }
  // A field that this manager does not know is ignored.
  await register({ ofANewerVersion: true });
  assertEquals(await problem(), undefined);
});

Deno.test("ManagerApi tells of a removed node when, by whom and why", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const { id } = await house.addSeenNode();
  await house.store.update((tx) =>
    removeNode(tx, { nodeId: id, by: "operator", why: "sold", now: NOW })
  );
  for (const path of [id, id.slice(0, 20)]) {
    const { status, body } = await running.get(`/v1/nodes/${path}`);
    const { error } = body as { error: Fields };
    assertEquals([status, error["code"]], [404, "not-found"]);
    assertEquals(error["data"], {
      removed: { id, at: iso(NOW), by: "operator", why: "sold" },
    });
    assertMatch(String(error["message"]), /removed by operator .*: sold$/);
  }
});

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

Deno.test("ManagerApi finds a node by a prefix that no other has", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const { id } = await house.addNode();
  const twin = `${id.slice(0, 20)}00000`;
  const copy = { ...house.node(id), id: twin, certificates: {} };
  await house.store.update((tx) => tx.put("node", twin, copy));
  assertEquals((await ask(running, `/v1/nodes/${id}`))["id"], id);
  assertEquals((await ask(running, `/v1/nodes/${twin}`))["id"], twin);
  await missing(running, `/v1/nodes/${id.slice(0, 20)}`);
  await missing(running, "/v1/nodes/zzzz");
  await missing(running, "/v1/nodes/");
});

Deno.test("ManagerApi lists the manager itself, ready and seen now", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  await house.addNode();
  const { status, body } = await running.get("/v1/nodes");
  assertEquals(status, 200);
  const nodes = body as Fields[];
  assertEquals(nodes.length, 2);
  const own = nodes.find(({ role }) => role === "manager");
  assertEquals(own?.["status"], "ready");
  assertEquals(own?.["address"], "10.0.0.5");
  assertEquals(own?.["lastSeen"], new Date(NOW).toISOString());
  const { der } = house.authority.root;
  const digest = formatDigest(await rootDigest(house.crypto, der));
  assertEquals(own?.["trustRoot"], digest);
});

Deno.test("ManagerApi tells status, authority and tokens", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  await house.addNode();
  const status = await ask(running, "/v1/status");
  assertEquals(status["role"], "manager");
  assertEquals(status["cluster"], house.cluster.id);
  assertEquals(status["node"], house.manager.id);
  assertEquals(status["listen"], "0.0.0.0:2377");
  assertEquals(status["nodes"], { ready: 1, joining: 1 });
  assertEquals(status["managers"], ["10.0.0.5:2377"]);
  const ca = await ask(running, "/v1/ca");
  assertEquals(ca["rootDigest"], status["trustRoot"]);
  assertEquals(ca["generation"], 1);
  assert(String(ca["pem"]).startsWith("-----BEGIN CERTIFICATE-----\n"));
  for (const role of ["worker", "manager"] as const) {
    const { token } = await ask(running, `/v1/tokens/${role}`);
    assertMatch(String(token), /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
    assertEquals(token, await house.tokens.show(role));
  }
});

Deno.test("ManagerApi answers nothing else, and shows no secret by the way", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const paths = [
    "/",
    "/v1",
    "/v1/",
    "/v2/status",
    "/v1/status/x",
    "/v1/tokens/",
    "/v1/tokens/admin",
    "/v1/tokens/worker/x",
    "/v1/ca/key",
    "/v1/__proto__",
  ];
  for (const path of paths) await missing(running, path);
  const token = await house.tokens.show("worker");
  const shown = ["status", "nodes", "ca", "tokens", "applicants", "cluster"];
  for (const path of shown.map((each) => `/v1/${each}`)) {
    const { body } = await running.get(path);
    assert(!JSON.stringify(body).includes(token.split("-")[3] ?? token));
  }
});

Deno.test("ManagerApi has an alarm while nothing can be written down", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const alarms = async () => (await ask(running, "/v1/status"))["alarms"];
  assertEquals(await alarms(), []);
  const { id } = await house.addSeenNode();
  house.disk.full = true;
  await assertRejects(() => house.change(id, { address: "10.0.0.1" }));
  assertMatch(String(await alarms()), /^Nothing can be written down, .*full/);
  house.disk.full = false;
  await house.change(id, { address: "10.0.0.1" });
  assertEquals(await alarms(), []);
});
