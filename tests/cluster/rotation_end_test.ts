import { assertEquals } from "@std/assert";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  abort,
  cutOver,
  orderBase,
  replace,
  start,
} from "../../lib/cluster/root_rotation.ts";
import {
  endedRotations,
  keepEnd,
  MAX_KEPT_STRAGGLERS,
  withEnd,
} from "../../lib/cluster/rotation_end.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import { factsOfRoot, orderFor, symbolicCluster } from "./rotation_symbols.ts";
import { NOW } from "./samples.ts";

const LATE = [{ node: "w", reason: "down" }];
const LOOK = { now: NOW, stragglers: () => LATE };

function rotating(from = symbolicCluster()): ClusterRecord {
  return start(from, orderFor(from, { name: "H", now: NOW }));
}

function advanced(cluster: ClusterRecord): ClusterRecord {
  return advance(cluster, { nodes: [], now: NOW }) ?? cluster;
}

Deno.test("withEnd() keeps how a rotation ended, and leaves every other change alone", () => {
  const begun = rotating();
  const trusting = advanced(begun);
  const ended = advanced(trusting);
  const returning = abort(begun, { id: "H2", now: NOW });
  const stable = symbolicCluster();
  const foreign = { name: "H", now: NOW, trustFirst: true };
  const switching = advanced(
    advanced(start(stable, orderFor(stable, foreign))),
  );
  const recalling = abort(switching, { id: "H2", now: NOW });
  const recalled = advanced(recalling);
  const order = orderFor(begun, { name: "I", now: NOW });
  const other = replace(begun, { ...order, replaces: "H2" });
  const cut = cutOver(begun, {
    from: orderBase(begun),
    target: order.target,
    present: factsOfRoot("G"),
  });
  const cases: readonly [ClusterRecord, ClusterRecord, string?, string?][] = [
    [symbolicCluster(), begun],
    [begun, trusting],
    [begun, returning],
    [trusting, ended, "finished", "d:H"],
    [returning, advanced(returning), "aborted", "d:G"],
    [switching, recalling],
    [recalling, recalled],
    [recalled, advanced(recalled), "aborted", "d:G"],
    [begun, other, "replaced", "d:G"],
    [begun, cut, "replaced", "d:I"],
  ];
  for (const [before, after, outcome, root] of cases) {
    const kept = withEnd(before, after, LOOK);
    const { lastRotation: last, ...rest } = kept;
    assertEquals(rest, after);
    assertEquals([last?.outcome, last?.root], [outcome, root]);
    if (!last) continue;
    assertEquals([last.id, last.at], ["H2", NOW]);
    assertEquals(last.stragglers, outcome === "replaced" ? [] : LATE);
  }
});

Deno.test("keepEnd() bounds what it keeps, and counts the rest", () => {
  const all = Array.from(
    { length: MAX_KEPT_STRAGGLERS + 5 },
    (_, i) => ({ node: `${i}`, reason: "" }),
  );
  let cluster = symbolicCluster();
  const ended = { outcome: "finished", root: "d:G", at: NOW } as const;
  for (let i = 0; i < 40; i++) {
    cluster = keepEnd(cluster, { ...ended, id: `${i}` }, all);
  }
  const { lastRotation } = cluster;
  assertEquals(lastRotation?.stragglers.length, MAX_KEPT_STRAGGLERS);
  assertEquals(lastRotation?.more, 5);
  const ids = endedRotations(cluster).map(({ id }) => id);
  assertEquals([ids.length, ids[0], ids.at(-1)], [17, "39", "23"]);
  assertEquals(Object.keys(lastRotation?.before?.[0] ?? {}).toSorted(), [
    "at",
    "id",
    "outcome",
    "root",
  ]);
  assertEquals(endedRotations(symbolicCluster()), []);
});
