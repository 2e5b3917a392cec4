import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import type { Change } from "../../lib/cluster/store.ts";
import { changeStanding } from "../../lib/cluster/standing.ts";
import { disableStanding } from "../../lib/cluster/tokens.ts";
import { formatJoinToken, parseJoinToken } from "../../lib/pki/join_token.ts";
import { applicant } from "../cluster/applicants.ts";
import { certificate, cluster, node } from "../cluster/samples.ts";
import { House } from "../manager/house.ts";
import { Decisions } from "./decisions.ts";
import { Queue } from "./queue.ts";
import { DAY_AT_WORK } from "./scenario.ts";
import { Secrets } from "./secrets.ts";
import { World } from "./world.ts";

/** A house, and what was committed since it was opened. */
async function watched() {
  const house = await House.open();
  const { length } = await house.audited();
  const failures: string[] = [];
  const decisions = new Decisions((text) => failures.push(text), length);
  const seen: (readonly Change[])[] = [];
  house.disk.after = (changes) => {
    seen.push(changes);
    decisions.committed(changes);
  };
  return { house, decisions, failures, seen };
}

Deno.test("Decisions finds nothing where the log says what was decided", async () => {
  const { house, decisions, failures } = await watched();
  const node = await house.addNode();
  await house.renew(node);
  const { id: nodeId } = node;
  for (const change of ["suspend", "resume"] as const) {
    const now = house.clock.now();
    await house.store.update((tx) =>
      changeStanding(tx, { nodeId, change, by: "operator", now })
    );
  }
  const change = { role: "manager", by: "operator", now: 0 } as const;
  await house.store.update((tx) => disableStanding(tx, change));
  await house.tokens.rotate("manager", "operator");
  await decisions.look(house.store);
  assertEquals(failures, []);
});

Deno.test("Decisions names what was decided and not said, and the other way round", async () => {
  const { house, failures } = await watched();
  const { id } = await house.addNode();
  await house.change(id, { admission: "suspended" });
  assertEquals(failures.length, 1);
  assert(failures[0]?.includes(`decided "suspended ${id}"`));
  await house.store.update((tx) => {
    const entry = { at: 0, action: "resumed", node: id, by: "x" } as const;
    tx.append("audit", entry);
  });
  assert(failures[1]?.includes(`the log says "resumed ${id}"`));
});

Deno.test("Decisions finds an entry that no transaction wrote", async () => {
  const { house, seen } = await watched();
  await house.addNode();
  const failures: string[] = [];
  const { length } = await house.audited();
  const decisions = new Decisions((text) => failures.push(text), length - 2);
  for (const changes of seen) decisions.committed(changes);
  await decisions.look(house.store);
  assertEquals(failures.length, 1);
});

Deno.test("Secrets finds keys and tokens wherever they must not be", async () => {
  const { house, seen } = await watched();
  await house.addNode();
  const text = await house.tokens.show("worker");
  const token = parseJoinToken(text);
  const failures: string[] = [];
  const fail = (what: string) => void failures.push(what);
  const secrets = new Secrets({ fail, token: () => token });
  for (const changes of seen) secrets.committed(changes);
  secrets.logged("Certificate issued node=a serial=b");
  secrets.sent(utf8('{"method":"hello"}'));
  assertEquals(failures, []);
  const { keyPem = "" } = house.ownDisk.identity ?? {};
  secrets.logged(`key ${keyPem}`);
  secrets.logged(`token ${text}`);
  const pkcs8 = keyPem.split("\n").slice(1, -2).join("");
  secrets.sent(utf8(`{"key":"${pkcs8}"}`));
  secrets.sent(utf8(formatJoinToken(token).split("-").at(-1) ?? ""));
  assertEquals(failures.length, 4);
});

/** A queue of a cluster whose operator wants to be asked. */
function asked() {
  const { clock, manager } = new World(DAY_AT_WORK, { seed: 1 });
  const failures: string[] = [];
  const fail = (text: string) => void failures.push(text);
  const queue = new Queue({ clock, manager, workers: [], fail });
  const after = cluster({ requireApproval: true, recoveryWindowMs: 0 });
  queue.committed([{ kind: "cluster", id: "", before: cluster(), after }]);
  return { queue, failures };
}

/** The machine "a" waits, and an operator says something of it. */
function waits(queue: Queue, verdict?: "accepted" | "rejected"): void {
  const before = applicant("a");
  const { spki: id } = before;
  const kind = "applicant";
  queue.committed([{ kind, id, before: undefined, after: before }]);
  if (!verdict) return;
  const said = { at: 0, action: verdict, by: "operator", fingerprint: id };
  queue.committed([
    { kind, id, before, after: { ...before, verdict } },
    { kind: "audit", entry: { ...said, sequence: 1 } },
  ]);
}

/** The machine "a" is a node now, or is one again. */
function issued(queue: Queue, before?: NodeRecord): void {
  const after = node({
    ...(before && { recoveries: [1] }),
    tokenId: "token worker",
    certificates: { pending: certificate("a") },
  });
  queue.committed([{ kind: "node", id: after.id, before, after }]);
}

Deno.test("Queue finds a certificate of whom nobody accepted", () => {
  for (const verdict of [undefined, "accepted", "rejected"] as const) {
    const { queue, failures } = asked();
    waits(queue, verdict);
    issued(queue);
    assertEquals(failures.length, verdict === "accepted" ? 0 : 1, verdict);
    issued(queue, node());
    assertEquals(failures.length, verdict === "accepted" ? 0 : 2, verdict);
  }
});

Deno.test("Queue knows who can do nothing but wait", () => {
  const { queue } = asked();
  const { workers: [machine] } = new World(DAY_AT_WORK, { seed: 1 });
  assert(machine);
  machine.pendingKey = applicant("a").spki;
  assert(!queue.waits(machine));
  waits(queue);
  assert(queue.waits(machine));
  waits(queue, "accepted");
  assert(!queue.waits(machine));
});
