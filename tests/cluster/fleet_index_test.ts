import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { FleetIndex } from "../../lib/cluster/fleet_index.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import type { RotationPhase } from "../../lib/cluster/root_record.ts";
import { start } from "../../lib/cluster/root_rotation.ts";
import {
  isPhaseOver,
  nodeFacts,
  overdue,
  progress,
  type RotationLook,
} from "../../lib/cluster/rotation_progress.ts";
import type { View } from "../../lib/cluster/store.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { orderFor, symbolicCluster } from "./rotation_symbols.ts";
import { certificate, node, NOW } from "./samples.ts";

const MINUTE = 60_000;
const PHASES: readonly RotationPhase[] = [
  "renewing",
  "trusting",
  "switching",
  "returning",
];

/** A node is put, or removed. */
type Step = { readonly id: string; readonly put?: NodeRecord };

/** Clusters in every state that decides about nodes. */
const clusters: fc.Arbitrary<ClusterRecord> = fc.record({
  phase: fc.constantFrom(...PHASES),
  trustFirst: fc.boolean(),
  quorum: fc.constantFrom(0, 0.5, 0.9, 1),
  deadline: fc.constantFrom(NOW, NOW + MINUTE),
  finishAt: fc.constantFrom(undefined, NOW, NOW - 2 * MINUTE),
}).map(({ finishAt, ...change }) => {
  const stable = symbolicCluster();
  const order = orderFor(stable, { name: "H", now: NOW });
  const { rotation, ...rest } = start(stable, order);
  assert(rotation);
  const ending = finishAt !== undefined && { finishAt };
  return { ...rest, rotation: { ...rotation, ...change, ...ending } };
});

const leaf = fc.option(
  fc.record({
    issuerKeyId: fc.constantFrom("G", "H"),
    issuedAt: fc.constantFrom(NOW, NOW - 11 * MINUTE),
  }),
  { nil: undefined },
).map((change) => change && certificate("leaf", change));

const steps: fc.Arbitrary<Step> = fc.record({
  id: fc.constantFrom(..."abcdefgh"),
  role: fc.constantFrom("worker", "worker", "manager"),
  admission: fc.constantFrom("active", "active", "suspended"),
  trusts: fc.constantFrom(undefined, "G", "H", "G+H"),
  current: leaf,
  pending: leaf,
  isPut: fc.boolean(),
}).map(({ id, trusts, current, pending, isPut, ...rest }) => {
  const certificates = {
    ...(current && { current }),
    ...(pending && { pending }),
  };
  const trusting = trusts !== undefined && { trusts };
  const put = node({ id, ...rest, certificates, ...trusting });
  return isPut ? { id, put } : { id };
});

/** Transactions; those of a group are asked for at once. */
const scripts = fc.array(
  fc.array(fc.array(steps, { maxLength: 4 }), { maxLength: 4 }),
  { maxLength: 4 },
);

/** The record's facts, and something that only sessions know. */
function factsOf(record: NodeRecord) {
  const isDown = record.id < "c";
  return nodeFacts(record, isDown ? { downSince: NOW } : {});
}

function judge(cluster: ClusterRecord, look: RotationLook) {
  return {
    progress: progress(cluster, look),
    overdue: overdue(cluster, look),
    isOver: isPhaseOver(cluster, look),
  };
}

/** What the index says is what a look at every record says. */
function compare(index: FleetIndex, view: View, cluster: ClusterRecord) {
  const all = { nodes: [...view.list("node")].map(factsOf), now: NOW };
  const { done, others } = index.divide(view, cluster);
  const look = { nodes: others.map(factsOf), done, now: NOW };
  const judged = judge(cluster, all);
  assertEquals(judge(cluster, look), judged);
  return judged;
}

Deno.test("FleetIndex says what a look at all nodes says, inside of transactions as well", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, clusters, async (script, cluster) => {
      const store = new StoreDisk().open();
      const index = new FleetIndex(store);
      for (const group of script) {
        await Promise.all(group.map((deeds) =>
          store.update((tx) => {
            for (const { id, put } of deeds) {
              if (put) tx.put("node", id, put);
              else tx.remove("node", id);
            }
            compare(index, tx, cluster);
          })
        ));
        const { isOver } = store.view((view) => compare(index, view, cluster));
        assert(!isOver || index.mayBeOver(cluster, NOW), "it may be over");
        const late = new FleetIndex(store);
        store.view((view) => compare(late, view, cluster));
        late.close();
      }
      index.close();
      await store.close();
    }),
    { numRuns: 300 },
  );
});

Deno.test("FleetIndex.mayBeOver() is false while somebody who was seen is behind, until the deadline", async () => {
  const store = new StoreDisk().open();
  const stable = symbolicCluster();
  const cluster = start(stable, orderFor(stable, { name: "H", now: NOW }));
  const deadline = cluster.rotation?.deadline ?? NaN;
  const index = new FleetIndex(store);
  const put = (ids: string, issuerKeyId: string) =>
    store.update((tx) => {
      const certificates = { current: certificate("c", { issuerKeyId }) };
      for (const id of ids) tx.put("node", id, node({ id, certificates }));
    });
  assertEquals(index.mayBeOver(stable, NOW), false);
  assertEquals(index.mayBeOver(cluster, NOW), true);
  await put("abcdefghij", "G");
  assertEquals(index.mayBeOver(cluster, NOW), false);
  assertEquals(index.mayBeOver(cluster, deadline), false);
  await put("abcdefghi", "H");
  assertEquals(index.mayBeOver(cluster, deadline - 1), false);
  assertEquals(index.mayBeOver(cluster, deadline), true);
  await put("j", "H");
  assertEquals(index.mayBeOver(cluster, NOW), true);
  index.close();
  await store.close();
});
