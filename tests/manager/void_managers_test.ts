import { assert, assertEquals } from "@std/assert";
import { deny } from "../../lib/cluster/denylist.ts";
import { turn } from "../fakes/clock.ts";
import type { Caller } from "./caller.ts";
import { House } from "./house.ts";
import { present, resume } from "./present.ts";

/** Fingerprints of each list that a caller was told. */
function lists(caller: Caller): string[][] {
  return caller.pushes("cluster.void-managers").map(({ certificates }) =>
    (certificates as { fingerprint: string }[]).map((each) => each.fingerprint)
  );
}

/** A house with a second manager, and what its certificate is recognised by. */
async function open() {
  const house = await House.open();
  const own = house.manager.id;
  const { id } = await house.addSeenNode("manager");
  const { current } = house.node(id).certificates;
  assert(current);
  return { house, own, id, stolen: current };
}

Deno.test("VoidManagers tells every session of a demotion at once, and each that comes later", async () => {
  const { house, id, stolen } = await open();
  const before = await present(house);
  assertEquals(lists(before.caller), []);
  await house.change(id, { role: "worker" });
  assertEquals(lists(before.caller), [[stolen.fingerprint]]);
  // What else changes of that node is no news.
  await house.change(id, { address: "10.0.0.1" });
  assertEquals(lists(before.caller).length, 1);
  const later = await present(house);
  assertEquals(lists(later.caller), [[stolen.fingerprint]]);
  const pushes = before.caller.pushes("cluster.void-managers");
  assertEquals(pushes[0], {
    certificates: [
      { fingerprint: stolen.fingerprint, until: stolen.notAfter },
    ],
  });
  // It is a manager again, and needs another certificate for that.
  await house.change(id, { role: "manager" });
  assertEquals(lists((await present(house)).caller), []);
});

Deno.test("VoidManagers never names what this manager serves with, nor anything over what is void", async () => {
  const { house, own } = await open();
  const first = await present(house);
  const { current: before } = house.node(own).certificates;
  assert(before);
  await house.clock.advance(60_000);
  await house.renewOwn();
  // Its overlap is cut short here, and its denylist names too much.
  const { current } = house.node(own).certificates;
  assert(current);
  await house.store.update((tx) => {
    for (const each of [before, current]) {
      deny(tx, { ...each, nodeId: own, reason: "superseded" });
    }
    const node = { ...house.node(own), certificates: { current } };
    tx.put("node", own, node);
  });
  await turn();
  assertEquals(lists(first.caller), []);
  const moved = await resume(house, first);
  assertEquals(lists(moved.caller), [[before.fingerprint]]);
});

Deno.test("VoidManagers does not void a manager that was demoted while it serves", async () => {
  const { house, own } = await open();
  const { caller } = await present(house);
  await house.change(own, { role: "worker" });
  assertEquals(lists(caller), []);
});

Deno.test("VoidManagers tells many sessions in more than one turn", async () => {
  const { house, id } = await open();
  const callers: Caller[] = [];
  for (let i = 0; i < 260; i++) callers.push((await present(house)).caller);
  const told = () => callers.filter((each) => lists(each).length > 0).length;
  await house.change(id, { role: "worker" });
  assertEquals(told(), 256);
  await house.clock.advance(1);
  assertEquals(told(), 260);
});
