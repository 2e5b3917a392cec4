import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { HOUR } from "../../lib/base/time.ts";
import type { AuditRecord } from "../../lib/cluster/audit.ts";
import { Refusals } from "../../lib/manager/refusals.ts";
import { turn } from "../fakes/clock.ts";
import { newSession } from "./caller.ts";
import { House } from "./house.ts";
import { opened } from "./present.ts";

const BY = "10.0.0.9";

Deno.test("Refusals makes one entry an hour for a party and a code", async () => {
  const { house, refusals } = await desk();
  for (let i = 0; i < 100; i++) {
    refusals.note({ node: "n1", by: BY, error: error("suspended") });
  }
  refusals.note({ node: "n1", by: BY, error: error("conflict") });
  refusals.note({ node: "n2", by: BY, error: error("suspended") });
  await turn();
  assertEquals((await refused(house)).length, 3);
  await house.clock.advance(HOUR - 1);
  refusals.note({ node: "n1", by: BY, error: error("suspended") });
  await turn();
  assertEquals((await refused(house)).length, 3);
  await house.clock.advance(1);
  refusals.note({ node: "n1", by: BY, error: error("suspended") });
  await turn();
  assertEquals((await refused(house)).length, 4);
});

Deno.test("Refusals says who, from where and why, at bounded length", async () => {
  const { house, refusals } = await desk();
  const long = new SwarmdError("csr-refused", "x".repeat(10_000));
  refusals.note({ token: "t1", by: BY, error: long });
  await turn();
  const [entry] = await refused(house);
  assertEquals([entry?.by, entry?.node], [BY, undefined]);
  assert(entry?.why?.startsWith("csr-refused (token t1): xxx"));
  assertEquals(entry?.why?.length, 240);
});

Deno.test("Refusals makes no entry of what is of the moment, or no refusal", async () => {
  const { house, refusals } = await desk();
  const others = [error("too-busy"), error("disk"), error("bad-frame"), 1];
  for (const each of others) refusals.note({ node: "n", by: BY, error: each });
  await turn();
  assertEquals(await refused(house), []);
});

Deno.test("Refusals writes 4096 entries an hour at the most, whoever asks", async () => {
  const { house, refusals } = await desk();
  const ask = () => {
    for (let i = 0; i < 5_000; i++) {
      refusals.note({ node: `n${i}`, by: BY, error: error("role") });
    }
  };
  const count = () => house.store.view((view) => view.last("audit"));
  const before = count();
  ask();
  await house.store.update(() => {});
  assertEquals(count() - before, 4_096);
  await house.clock.advance(HOUR);
  ask();
  await house.store.update(() => {});
  assertEquals(count() - before, 8_192);
});

Deno.test("Refusals changes nothing of a refusal when the disk is full", async () => {
  const { house, refusals } = await desk();
  house.disk.full = true;
  const failure = error("key-in-use");
  const thrown = await assertRejects(() =>
    refusals.noting({ node: "n1", by: BY }, () => Promise.reject(failure))
  );
  assertEquals(thrown, failure);
  await turn();
  const warned = house.logged.filter(({ message }) =>
    message === "Refusal not in the audit log"
  );
  assertEquals(warned.length, 1);
});

Deno.test("A suspended node that knocks is in the audit log, a stranger who names it is not", async () => {
  const { house, node } = await opened();
  await house.change(node.id, { admission: "suspended" });
  // That its connection was cut is no refusal.
  assertEquals(await refused(house), []);
  const stranger = await House.open({ label: "stranger" });
  const { chain } = await stranger.addSeenNode();
  for (const presented of [chain, []]) {
    await house.connect(presented).hello(newSession(house.newId()));
  }
  assertEquals(await refused(house), []);
  await house.connect(node.chain).hello(newSession(house.newId()));
  await turn();
  const [entry] = await refused(house);
  assertEquals([entry?.node, entry?.by], [node.id, BY]);
  assert(entry?.why?.startsWith("suspended: "));
});

Deno.test("A node that calls what it may not is in the audit log", async () => {
  const { house, caller, node } = await opened();
  await caller.refusalInSession("join", {});
  await turn();
  const [entry] = await refused(house);
  assertEquals(entry?.node, node.id);
  assert(entry?.why?.startsWith("role: "), entry?.why);
});

async function desk() {
  const house = await House.open();
  const refusals = new Refusals(house);
  return { house, refusals };
}

function error(code: ErrorCode): SwarmdError {
  return new SwarmdError(code, "Refused");
}

async function refused(house: House): Promise<AuditRecord[]> {
  const page = { after: 0, limit: 1_000 };
  const entries = await house.store.entries("audit", page);
  return entries.filter(({ action }) => action === "refused");
}
