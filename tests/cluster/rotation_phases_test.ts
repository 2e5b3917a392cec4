import { assertEquals } from "@std/assert";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { abort, finish } from "../../lib/cluster/root_rotation.ts";
import {
  isPhaseOver,
  type NodeFacts,
  nodeFacts,
  progress,
} from "../../lib/cluster/rotation_progress.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import { certificate, node, NOW } from "./samples.ts";
import { after, ALL, rotating, symbolicCluster } from "./rotation_symbols.ts";

function facts(change: Partial<NodeFacts> = {}): NodeFacts {
  return { id: "w", role: "worker", issuerKeyId: "G", trusts: "G", ...change };
}

Deno.test("advance() waits for each node as its phase says", () => {
  const renewing = rotating();
  const trusting = after(renewing, 1);
  const returning = abort(trusting, { id: "H2", now: NOW });
  const cases: readonly [
    ClusterRecord,
    Partial<NodeFacts>,
    string | undefined,
  ][] = [
    [renewing, {}, "has not been seen under the new root"],
    [renewing, { issuerKeyId: "H" }, undefined],
    [
      renewing,
      { issuerKeyId: "H", pendingIssuerKeyId: "G" },
      "has not been seen under the new root",
    ],
    [
      trusting,
      { issuerKeyId: "H" },
      "has not said that it trusts the new root",
    ],
    [trusting, { trusts: "G+H" }, "has not been seen under the new root"],
    [trusting, { issuerKeyId: "H", trusts: "G+H" }, undefined],
    [returning, {}, undefined],
    [
      returning,
      { trusts: "G+H" },
      "has not said that it trusts the old root alone",
    ],
    [renewing, { downSince: NOW }, "down since 2026-01-01T00:00:00Z"],
    [
      renewing,
      { version: "0.0.9", downSince: NOW },
      "runs version 0.0.9, want 0.1.0 or later to follow a rotation",
    ],
    [renewing, { version: "0.1.0" }, "has not been seen under the new root"],
    [renewing, { failing: "disk full" }, "renewal failing: disk full"],
    [renewing, { frozen: "suspended" }, "suspended by an operator"],
    [renewing, { frozen: "conflict" }, "two machines use its identity"],
  ];
  for (const [cluster, change, reason] of cases) {
    const look = { nodes: [facts(change)], now: NOW };
    const stragglers = reason === undefined ? [] : [{ node: "w", reason }];
    assertEquals(progress(cluster, look)?.stragglers, stragglers);
    assertEquals(advance(cluster, look) === undefined, reason !== undefined);
  }
  assertEquals(progress(symbolicCluster(), ALL), undefined);
});

Deno.test("progress() counts what was never seen for ten minutes", () => {
  const joiner = nodeFacts(
    node({ certificates: { pending: certificate("p") } }),
  );
  const count = (now: number) => {
    const found = progress(rotating(), { nodes: [joiner, facts()], now });
    return [found?.done, found?.total];
  };
  assertEquals(count(NOW + 10 * MINUTE), [0, 2]);
  assertEquals(count(NOW + 10 * MINUTE + 1), [0, 1]);
});

Deno.test("isPhaseOver() is content with the quorum and all managers at the deadline", () => {
  const manager = facts({ role: "manager", issuerKeyId: "H" });
  const done = Array(8).fill(facts({ issuerKeyId: "H" }));
  const late = facts({ downSince: NOW });
  const at = (nodes: NodeFacts[], now: number) =>
    isPhaseOver(rotating(), { nodes, now });
  assertEquals(at([manager, ...done, late], NOW + DAY - 1), false);
  assertEquals(at([manager, ...done, late], NOW + DAY), true);
  assertEquals(at([manager, ...done, late, late], NOW + DAY), false);
  // Who is well may be a moment away from it
  const well: [Partial<NodeFacts>, boolean][] = [
    [{}, false],
    [{ failing: "x" }, true],
    [{ frozen: "suspended" }, true],
  ];
  for (const [change, over] of well) {
    const nodes = [manager, ...done, facts(change)];
    assertEquals(at(nodes, NOW + DAY), over);
    assertEquals(at(nodes, NOW + DAY + MINUTE), true);
  }
  const idle = facts({ role: "manager" });
  assertEquals(at([idle, ...done, ...done], NOW + DAY), false);
});

Deno.test("isPhaseOver() gives every phase that begins after the deadline a minute for who is well", () => {
  const now = NOW + 2 * DAY;
  const trusting = advance(rotating(), { ...ALL, now }) ?? rotating();
  const done = Array(9).fill(facts({ issuerKeyId: "H", trusts: "G+H" }));
  const nodes = [...done, facts({ issuerKeyId: "H" })];
  const over = (after: number) =>
    isPhaseOver(trusting, { nodes, now: now + after });
  assertEquals([over(0), over(MINUTE - 1), over(MINUTE)], [false, false, true]);
});

Deno.test("finish() waits for who is well, for a minute, and for managers that are up", () => {
  const finishing = finish(rotating(), { id: "H2", now: NOW });
  const cases: readonly [Partial<NodeFacts>, number, boolean][] = [
    [{ downSince: NOW }, 0, true],
    [{ failing: "x" }, 0, true],
    [{ frozen: "suspended" }, 0, true],
    [{}, MINUTE - 1, false],
    [{}, MINUTE, true],
    [{ role: "manager", failing: "x" }, HOUR, false],
    [{ role: "manager", downSince: NOW }, 0, true],
  ];
  for (const [change, after, over] of cases) {
    const look = { nodes: [facts(change)], now: NOW + after };
    assertEquals(isPhaseOver(finishing, look), over, JSON.stringify(change));
  }
});
