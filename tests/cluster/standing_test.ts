import { assertEquals } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import {
  changeStanding,
  type StandingChange,
} from "../../lib/cluster/standing.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { cluster, node, NODE_ID, NOW } from "./samples.ts";

type Facts = Partial<Pick<NodeRecord, "role" | "admission">>;

/** What comes of a change: what is new, or why not; and how many entries. */
async function after(
  before: Facts,
  { change, own = false }: {
    readonly change: StandingChange;
    readonly own?: boolean | undefined;
  },
): Promise<string> {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    const ownNode = own ? NODE_ID : "m";
    tx.put("cluster", CLUSTER, cluster({ ownNode }));
    tx.put("node", "m", node({ id: "m", role: "manager" }));
    tx.put("node", NODE_ID, node(before));
  });
  const order = { nodeId: NODE_ID, change, now: NOW, by: "operator" };
  try {
    await store.update((tx) => changeStanding(tx, order));
  } catch (error) {
    if (error instanceof SwarmdError) return error.code;
    throw error;
  }
  return store.view((view) => {
    const record = view.get("node", NODE_ID);
    return `${record?.role} ${record?.admission} ${view.last("audit")}`;
  });
}

Deno.test("changeStanding() does what the operator may, once, with an entry", async () => {
  const cases: readonly [Facts, StandingChange, string, boolean?][] = [
    [{}, "suspend", "worker suspended 1"],
    [{ admission: "suspended" }, "suspend", "worker suspended 0"],
    [{ admission: "conflict" }, "suspend", "worker suspended 1"],
    [{ role: "manager" }, "suspend", "precondition"],
    [{ admission: "suspended" }, "resume", "worker active 1"],
    [{}, "resume", "worker active 0"],
    [{ admission: "conflict" }, "resume", "precondition"],
    [{ admission: "conflict" }, "accept", "worker active 1"],
    [{ admission: "suspended" }, "accept", "worker suspended 0"],
    [{}, "manager", "manager active 1"],
    [{ role: "manager" }, "manager", "manager active 0"],
    [{ role: "manager" }, "worker", "worker active 1"],
    // There are other managers: none of them is the one that is asked.
    [{ role: "manager" }, "worker", "precondition", true],
    [{ role: "manager" }, "suspend", "precondition", true],
    [{}, "worker", "worker active 0"],
  ];
  for (const [before, change, want, own] of cases) {
    const what = `${Deno.inspect(before)} ${change}`;
    assertEquals(await after(before, { change, own }), want, what);
  }
});

Deno.test("changeStanding() ends what is known of a conflict with it", async () => {
  for (const change of ["accept", "suspend"] as const) {
    const store = new StoreDisk().open();
    const conflict = { at: NOW, addresses: ["10.0.0.1", "10.0.0.2"] };
    const fought = node({ admission: "conflict", conflict });
    await store.update((tx) => tx.put("node", NODE_ID, fought));
    const order = { nodeId: NODE_ID, change, now: NOW, by: "operator" };
    const after = await store.update((tx) => changeStanding(tx, order));
    assertEquals("conflict" in after, false, change);
  }
});

Deno.test("changeStanding() finds no node that is not there", async () => {
  const store = new StoreDisk().open();
  const order = { nodeId: "x", change: "suspend", now: NOW, by: "o" } as const;
  const error = await store.update((tx) => changeStanding(tx, order))
    .catch((error) => error);
  assertEquals(error.code, "not-found");
});
