import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { judgeClaim } from "../../lib/cluster/admission.ts";
import {
  checkRemoval,
  findForgettable,
  forgetRemoved,
  removeNode,
} from "../../lib/cluster/removal.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import {
  certificate,
  cluster,
  node,
  NODE_ID,
  NOW,
  previous,
} from "./samples.ts";

const removal = { nodeId: NODE_ID, by: "operator", why: "lost", now: NOW };

function withAll() {
  return node({
    certificates: {
      current: certificate("current"),
      pending: certificate("pending", { notAfter: NOW + 99 * DAY }),
      previous: previous("previous", NOW + 1),
    },
  });
}

// W21: every certificate that a record holds is denied, to its own end.
Deno.test("removeNode() denies all of a node's certificates and remembers its keys", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => tx.put("node", NODE_ID, withAll()));
  assert(await store.update((tx) => removeNode(tx, removal)));
  store.view((view) => {
    assertEquals(view.get("node", NODE_ID), undefined);
    assertEquals(
      [...view.list("denied")].map(({ serial, reason, until }) => [
        serial,
        reason,
        until,
      ]).sort(),
      [
        ["serial current", "removed", NOW + 90 * DAY],
        ["serial pending", "removed", NOW + 99 * DAY],
        ["serial previous", "removed", NOW + 90 * DAY],
      ],
    );
    const removed = view.get("removed", NODE_ID);
    assertEquals(removed?.why, "lost");
    assertEquals(removed?.spkis.length, 3);
    assertEquals(view.last("audit"), 1);
  });
});

Deno.test("removeNode() refuses the manager of the store, whoever asks", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    tx.put("cluster", CLUSTER, cluster({ ownNode: NODE_ID }));
    tx.put("node", NODE_ID, withAll());
  });
  const error = await assertRejects(
    () => store.update((tx) => removeNode(tx, removal)),
    SwarmdError,
    "it is the manager that was asked",
  );
  assertEquals(error.code, "precondition");
  assert(store.view((view) => view.get("node", NODE_ID)));
});

Deno.test("removeNode() does nothing where no node is, and says so", async () => {
  const store = new StoreDisk().open();
  assertEquals(await store.update((tx) => removeNode(tx, removal)), false);
  assertEquals(store.view((view) => view.last("audit")), 0);
});

Deno.test("a removed node is forgotten long after its last certificate, with what its keys redeemed", async () => {
  const store = new StoreDisk().open();
  const record = {
    tokenId: "t",
    role: "worker",
    nodeId: NODE_ID,
    at: NOW,
  } as const;
  await store.update((tx) => {
    tx.put("node", NODE_ID, withAll());
    // It joined with a key that it replaced since.
    for (const spki of ["spki current", "spki at first", "spki of another"]) {
      const nodeId = spki === "spki of another" ? "another" : NODE_ID;
      tx.put("redemption", spki, { ...record, spki, nodeId });
    }
    removeNode(tx, removal);
  });
  const forgettable = (now: number) =>
    store.view((view) => findForgettable(view, now));
  const end = NOW + 99 * DAY + 90 * DAY;
  assertEquals(forgettable(end - 1), []);
  const [over, ...more] = forgettable(end);
  assert(over);
  assertEquals([over.nodeId, more], [NODE_ID, []]);
  await store.update((tx) => forgetRemoved(tx, over));
  store.view((view) => {
    assertEquals(view.get("removed", NODE_ID), undefined);
    const left = [...view.list("redemption")].map(({ spki }) => spki);
    assertEquals(left, ["spki of another"]);
  });
});

Deno.test("checkRemoval() lets a ready node go with force only, and the asked manager never", () => {
  const cases = [
    [{ isReady: false, force: false }, true],
    [{ isReady: true, force: false }, false],
    [{ isReady: true, force: true }, true],
  ] as const;
  for (const [facts, may] of cases) {
    const check = () => checkRemoval(node(), facts);
    if (may) check();
    else assertThrows(check, SwarmdError, "Cannot remove node");
  }
});

Deno.test("judgeClaim() tells a removed node from one that never was", () => {
  const leaf = {
    version: 3,
    subject: {
      organization: "c",
      organizationalUnit: "swarm-worker",
      commonName: NODE_ID,
    },
  } as Parameters<typeof judgeClaim>[0];
  const removed = {
    id: NODE_ID,
    at: NOW,
    by: "operator",
    why: "lost",
    spkis: [],
    until: NOW,
  };
  const code = (facts: { readonly removed?: typeof removed }) => {
    const peer = judgeClaim(leaf, { clusterId: "c", ...facts });
    return peer?.kind === "refused" ? peer.code : peer?.kind;
  };
  assertEquals(code({}), "unknown-node");
  assertEquals(code({ removed }), "removed");
});
