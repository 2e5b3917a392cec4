import { assertEquals } from "@std/assert";
import { GENESIS } from "../../lib/cluster/audit_chain.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import { recordSeen } from "../../lib/cluster/seen.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { certificate, node, NODE_ID, NOW, previous } from "./samples.ts";

/** The record, the denylist and the audit log after a certificate was seen. */
async function after(record: NodeRecord | undefined, fingerprint: string) {
  const store = new StoreDisk().open();
  if (record) await store.update((tx) => tx.put("node", record.id, record));
  const seen = { nodeId: NODE_ID, fingerprint, now: NOW + 5 };
  await store.update((tx) => recordSeen(tx, seen));
  const audited = await store.entries("audit", { after: 0, limit: 9 });
  const { found, denied } = store.view((view) => ({
    found: view.get("node", NODE_ID),
    denied: [...view.list("denied")],
  }));
  await store.close();
  return { found, denied, audited };
}

const BOTH = node({
  certificates: {
    current: certificate("current"),
    pending: certificate("pending"),
    previous: previous("previous", NOW + 9),
  },
});

Deno.test("recordSeen() makes the pending certificate the current one, and says so", async () => {
  const { found, denied, audited } = await after(BOTH, "print pending");
  assertEquals(found?.certificates.current, certificate("pending"));
  assertEquals(found?.certificates.pending, undefined);
  assertEquals(found?.certificates.previous?.fingerprint, "print current");
  assertEquals(denied.map(({ serial }) => serial), ["serial previous"]);
  assertEquals(audited, [{
    sequence: 1,
    at: NOW + 5,
    action: "promoted",
    node: NODE_ID,
    by: NODE_ID,
    serial: "serial pending",
    why: "it was presented in a handshake",
    previous: GENESIS,
  }]);
});

Deno.test("recordSeen() changes nothing for any other certificate", async () => {
  for (const name of ["current", "previous", "other"]) {
    const { found, denied, audited } = await after(BOTH, `print ${name}`);
    assertEquals(found, BOTH);
    assertEquals([denied, audited], [[], []]);
  }
  const { found, audited } = await after(undefined, "print pending");
  assertEquals([found, audited], [undefined, []]);
});
