import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import { judgeClock } from "../../lib/cluster/clock_doubt.ts";

Deno.test("judgeClock() trusts what is near, and else what most connected nodes say", () => {
  const [away, back] = [100 * DAY, -2 * HOUR];
  const cases = [
    // aheadMs, doubtMs, nodes, skewsMs, verdict
    [HOUR, 0, 5, [0, 0], "trusted"],
    [-HOUR, 0, 5, [0, 0], "trusted"],
    [HOUR + 1, 0, 5, [0, 0], "contradicted"],
    [away, 0, 0, [], "trusted"],
    [away, 0, 5, [away + 5 * MINUTE], "trusted"],
    [away, 0, 5, [away + 5 * MINUTE + 1], "contradicted"],
    [back, 0, 5, [back, back, 0], "trusted"],
    [back, 0, 5, [back, 0, 0], "contradicted"],
    [away, 0, 5, [away, 0], "doubtful"],
    [away, DAY - 1, 5, [away, 0], "doubtful"],
    [away, DAY, 5, [away, 0], "trusted"],
    // Nobody is heard of
    [30 * DAY, MINUTE - 1, 5, [], "doubtful"],
    [30 * DAY, MINUTE, 5, [], "trusted"],
    [30 * DAY + 1, DAY - 1, 5, [], "doubtful"],
    [30 * DAY + 1, DAY, 5, [], "trusted"],
    [back, DAY - 1, 5, [], "doubtful"],
    [back, DAY, 5, [], "trusted"],
    // Time alone does not outweigh nodes
    [30 * DAY, 9 * DAY, 5, [0], "contradicted"],
  ] as const;
  for (const [aheadMs, doubtMs, nodes, skewsMs, verdict] of cases) {
    const facts = { aheadMs, doubtMs, nodes, skewsMs };
    assertEquals(judgeClock(facts), verdict, JSON.stringify(facts));
  }
});

Deno.test("judgeClock() ends every doubt within a day that most nodes do not contradict, and none that they do", () => {
  const time = fc.integer({ min: -400 * DAY, max: 400 * DAY });
  fc.assert(
    fc.property(
      ...[time, fc.array(fc.boolean(), { maxLength: 9 })] as const,
      (aheadMs, agreeing) => {
        const skewsMs = agreeing.map((agrees) =>
          agrees ? aheadMs : 9_999 * DAY
        );
        const facts = { aheadMs, nodes: 10, skewsMs, doubtMs: DAY };
        const against = agreeing.filter((agrees) => !agrees).length;
        const far = Math.abs(aheadMs) > HOUR;
        const isContradicted = far && against > skewsMs.length / 2;
        assertEquals(judgeClock(facts) === "trusted", !isContradicted);
      },
    ),
  );
});
