import { assertEquals } from "@std/assert";
import { deny } from "../../lib/cluster/denylist.ts";
import { recordIssued } from "../../lib/cluster/issued.ts";
import type { Transaction } from "../../lib/cluster/store.ts";
import {
  asVoid,
  boundVoid,
  MAX_VOID_MANAGERS,
  voidIn,
  voidOf,
} from "../../lib/cluster/void_managers.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { certificate, node, NODE_ID, NOW, previous } from "./samples.ts";

const managers = (name: string) => certificate(name, { role: "manager" });

/** What a transaction leaves on the denylist. */
async function deniedBy(change: (tx: Transaction) => void) {
  const store = new StoreDisk().open();
  await store.update(change);
  const denied = store.view((view) => [...view.list("denied")]);
  await store.close();
  return denied;
}

Deno.test("voidOf() names every manager's certificate of a node that is no manager", () => {
  const certificates = {
    current: managers("a"),
    pending: managers("b"),
    previous: { ...previous("c", NOW), role: "manager" },
  } as const;
  const all = voidOf(node({ certificates }));
  assertEquals(all.map((each) => each.fingerprint), [
    ...["print a", "print b", "print c"],
  ]);
  const { notAfter: until } = managers("a");
  assertEquals(all.slice(0, 1).map(asVoid), [
    { fingerprint: "print a", until },
  ]);
  assertEquals(voidOf(node({ certificates, role: "manager" })), []);
  assertEquals(voidOf(node()), []);
  assertEquals(voidOf(undefined), []);
});

Deno.test("deny() remembers a manager's certificate by what workers see of it", async () => {
  const [manager, worker] = await deniedBy((tx) => {
    const why = { nodeId: NODE_ID, reason: "removed" } as const;
    deny(tx, { ...managers("a"), ...why });
    deny(tx, { ...certificate("b"), ...why });
  });
  const { notAfter: until } = managers("a");
  assertEquals(voidIn(manager), { fingerprint: "print a", until });
  assertEquals(voidIn(worker), undefined);
  assertEquals(voidIn(undefined), undefined);
});

Deno.test("recordIssued() denies the certificate that was never used, whoever's it is", async () => {
  const issue = (pending?: ReturnType<typeof certificate>) =>
    deniedBy((tx) => {
      const before = node({ certificates: { ...pending && { pending } } });
      recordIssued(tx, { node: before, issued: managers("new"), now: NOW });
      const after = tx.get("node", NODE_ID);
      assertEquals(after?.certificates.pending, managers("new"));
    });
  const [manager] = await issue(managers("lost"));
  assertEquals(manager?.managerLeaf, "print lost");
  const lost = certificate("lost");
  const [worker] = await issue(lost);
  assertEquals(worker?.serial, lost.serial);
  assertEquals(worker?.managerLeaf, undefined);
  assertEquals(await issue(), []);
});

Deno.test("boundVoid() gives each once, none that ended, and those that end last", () => {
  const at = (fingerprint: string, until: number) => ({ fingerprint, until });
  const few = [at("b", NOW + 1), at("a", NOW + 1), at("b", NOW + 1)];
  const ended = [at("c", NOW), at("d", NOW - 1)];
  assertEquals(boundVoid([...few, ...ended], NOW), [
    at("a", NOW + 1),
    at("b", NOW + 1),
  ]);
  const many = Array.from({ length: 300 }, (_, i) => at(`${i}`, NOW + 1 + i));
  const bound = boundVoid(many, NOW);
  assertEquals(bound.length, MAX_VOID_MANAGERS);
  assertEquals(bound.at(-1)?.until, NOW + 1 + 300 - MAX_VOID_MANAGERS);
});
