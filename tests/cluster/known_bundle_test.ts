import { assertEquals, assertStrictEquals } from "@std/assert";
import { withTrusts } from "../../lib/cluster/known_bundle.ts";
import type {
  RootFacts,
  RotationRecord,
} from "../../lib/cluster/root_record.ts";
import { cluster as sample, node } from "./samples.ts";

const facts = (bundle: string): RootFacts => ({
  digest: `sha256:${bundle}`,
  keyId: bundle,
  bundle,
  notAfter: 1,
});
const { root } = sample();
const rotation: RotationRecord = {
  id: "r",
  phase: "trusting",
  target: { ...root, generation: 2, facts: facts("new") },
  both: "both",
  startedAt: 0,
  deadline: 1,
  quorum: 0.9,
};
const stable = { root: { ...root, facts: facts("old") } };
const rotating = { ...stable, rotation };

Deno.test("withTrusts() keeps what is of a root of the cluster, and nothing else", () => {
  const cases = [
    [stable, "old", "old"],
    [stable, "both", undefined],
    [stable, "new", undefined],
    [rotating, "old", "old"],
    [rotating, "both", "both"],
    [rotating, "new", "new"],
    [rotating, "other", undefined],
    [{ root }, "old", undefined],
  ] as const;
  for (const [cluster, digest, want] of cases) {
    for (const before of [{}, { trusts: "before" }]) {
      const after = withTrusts(node(before), { cluster, digest });
      assertEquals(after, node(want === undefined ? {} : { trusts: want }));
    }
  }
});

Deno.test("withTrusts() gives the same record where nothing changes", () => {
  const silent = node();
  const told = node({ trusts: "old" });
  const unknown = { cluster: stable, digest: "x" };
  assertStrictEquals(withTrusts(silent, unknown), silent);
  assertStrictEquals(withTrusts(told, { ...unknown, digest: "old" }), told);
});
