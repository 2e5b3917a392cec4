import { assert, assertEquals } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import { start } from "../../lib/cluster/root_rotation.ts";
import {
  followsRotations,
  type NodeFacts,
  overdue,
  whyUnable,
} from "../../lib/cluster/rotation_progress.ts";
import { orderFor, symbolicCluster } from "./rotation_symbols.ts";
import { NOW } from "./samples.ts";

function facts(change: Partial<NodeFacts>): NodeFacts {
  return { id: "w", role: "worker", issuerKeyId: "G", trusts: "G", ...change };
}

Deno.test("overdue() names who is missing when the deadline has passed without the quorum, managers first", () => {
  const stable = symbolicCluster();
  const renewing = start(stable, orderFor(stable, { name: "H", now: NOW }));
  const late = facts({ downSince: NOW });
  const manager = facts({ id: "m", role: "manager" });
  const done = facts({ issuerKeyId: "H" });
  const at = (nodes: NodeFacts[], now = NOW + DAY) =>
    overdue(renewing, { nodes, now });
  assertEquals(at([late], NOW + DAY - 1), undefined);
  assertEquals(at([done]), undefined);
  assertEquals(at([late, ...Array(9).fill(done)]), undefined);
  assertEquals(overdue(stable, { nodes: [late], now: NOW + DAY }), undefined);
  const text = at([late, late, late, manager, done]) ?? "";
  for (
    const part of [
      "passed at 2026-01-02T00:00:00Z",
      '4 of 5 nodes are not done with "renewing"',
      "manager m (has not been seen under the new root), worker w (down since 2026-01-01T00:00:00Z), worker w",
      "1 more; see `swarmd ca status`",
      "`swarmd ca finish`",
      "`swarmd node rm`",
    ]
  ) assert(text.includes(part), text);
});

Deno.test("followsRotations() knows by its version who goes along", () => {
  const cases: readonly [string, boolean][] = [
    ["0.1.0", true],
    ["0.1.0-rc.1", true],
    ["0.1", true],
    ["1", true],
    ["10.0.0+x", true],
    ["0.0.9", false],
    ["0", false],
    ["", false],
    ["new", false],
    ["0.1.x", false],
  ];
  for (const [version, follows] of cases) {
    assertEquals(followsRotations(version), follows, version);
    assert(whyUnable(version).includes("0.1.0 or later"));
  }
});
