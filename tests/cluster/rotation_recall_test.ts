import { assertEquals } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  hasSigner,
  type RotationPhase,
} from "../../lib/cluster/root_record.ts";
import { abort, start } from "../../lib/cluster/root_rotation.ts";
import {
  bundleOf,
  issuerFor,
  tokenRootOf,
} from "../../lib/cluster/root_views.ts";
import {
  type NodeFacts,
  progress,
} from "../../lib/cluster/rotation_progress.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import { orderFor, symbolicCluster } from "./rotation_symbols.ts";
import { NOW } from "./samples.ts";

function rotating({ trustFirst = false } = {}): ClusterRecord {
  const cluster = symbolicCluster();
  return start(cluster, orderFor(cluster, { name: "H", now: NOW, trustFirst }));
}

/** As if everyone had always been done. */
function after(cluster: ClusterRecord, steps: number): ClusterRecord {
  let now = cluster;
  for (let i = 0; i < steps; i++) {
    now = advance(now, { nodes: [], now: NOW }) ?? now;
  }
  return now;
}

Deno.test("abort() of what is switching recalls it: workers first, the managers last, by the key of the target", () => {
  const switching = after(rotating({ trustFirst: true }), 2);
  const step = { id: "H2", now: NOW + 1 };
  const recalling = abort(switching, step);
  const phases: readonly [RotationPhase | undefined, string, string, string][] =
    [
      ["recalling", "G", "H", "H"],
      ["returning", "G", "G", "G"],
      [undefined, "G", "G", "G"],
    ];
  for (const [i, [phase, ready, others, token]] of phases.entries()) {
    const cluster = after(recalling, i);
    assertEquals(cluster.rotation?.phase, phase);
    const issuer = (role: "worker" | "manager", trusts: string) =>
      issuerFor(cluster, { role, trusts, now: NOW }).root.certificate;
    assertEquals(issuer("worker", "G+H"), ready);
    assertEquals(issuer("worker", "H"), others);
    assertEquals(issuer("manager", "G+H"), others);
    assertEquals(issuer("worker", "G"), "G");
    assertEquals(tokenRootOf(cluster).certificate, token);
    const { rotation } = cluster;
    if (!rotation) continue;
    assertEquals(bundleOf(cluster).digest, "G+H");
    assertEquals(hasSigner(rotation.target), phase === "recalling");
    assertEquals(rotation.deadline, NOW + 1 + DAY);
    const later = { ...step, now: NOW + 2 };
    assertEquals(abort(cluster, later), cluster);
  }
});

Deno.test("bundleOf() has the target vouch for the root that is recalled, and nobody else", () => {
  const linked = after(rotating(), 2);
  const order = orderFor(linked, { name: "I", now: NOW, trustFirst: true });
  const switching = after(start(linked, order), 2);
  const step = { id: order.id, now: NOW };
  const crosses = (cluster: ClusterRecord) =>
    bundleOf(cluster).roots.map(({ cross }) => cross);
  assertEquals(crosses(linked), ["H<<G"]);
  // Who pins a foreign target takes no root that G vouches for
  assertEquals(crosses(switching), [undefined, undefined]);
  assertEquals(crosses(abort(switching, step)), [undefined, undefined]);
  const crossBack = { certificate: "H<I", notAfter: NOW + DAY };
  const recalling = abort(switching, { ...step, crossBack });
  assertEquals(crosses(recalling), ["H<I", undefined]);
  assertEquals(crosses(after(recalling, 1)), ["H<I", undefined]);
  assertEquals(crosses(after(recalling, 2)), ["H<<G"]);
  const early = abort(start(linked, order), { ...step, crossBack });
  assertEquals(crosses(early), [undefined, undefined]);
});

Deno.test("advance() waits in a recall for who trusts the new root, and for nobody else", () => {
  const switching = after(rotating({ trustFirst: true }), 2);
  const recalling = abort(switching, { id: "H2", now: NOW });
  const cases: readonly [Partial<NodeFacts>, string | undefined][] = [
    [
      { issuerKeyId: "H", trusts: "G+H" },
      "has not been seen under the old root",
    ],
    [
      { trusts: "G+H", pendingIssuerKeyId: "H" },
      "has not been seen under the old root",
    ],
    [
      { trusts: "H" },
      "has not said that it trusts the old root as well",
    ],
    [{ trusts: "G+H" }, undefined],
    // It never trusted the new one
    [{ downSince: NOW }, undefined],
    [
      { role: "manager", issuerKeyId: "H", trusts: "H" },
      "has not said that it trusts the old root as well",
    ],
    [
      { role: "manager", issuerKeyId: "H", trusts: "G+H" },
      undefined,
    ],
  ];
  for (const [change, reason] of cases) {
    const node: NodeFacts = {
      ...{ id: "w", role: "worker", issuerKeyId: "G", trusts: "G" },
      ...change,
    };
    const look = { nodes: [node], now: NOW };
    const stragglers = reason === undefined ? [] : [{ node: "w", reason }];
    assertEquals(progress(recalling, look)?.stragglers, stragglers);
    assertEquals(advance(recalling, look) === undefined, reason !== undefined);
  }
});
