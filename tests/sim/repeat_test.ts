import { assert, assertEquals } from "@std/assert";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { DAY_AT_WORK, type Scenario, YEAR } from "./scenario.ts";
import { World } from "./world.ts";

/** Faults come thick, so that every kind is in it. */
const CASES: readonly Scenario[] = [
  { ...DAY_AT_WORK, workers: 6, durationMs: 4 * HOUR, faultMs: HOUR / 3 },
  { ...YEAR, workers: 12, durationMs: 120 * DAY, faultMs: 10 * DAY },
];

for (const scenario of CASES) {
  Deno.test(`World repeats ${scenario.name} event by event for the same seed`, async () => {
    const run = async (seed: number) => {
      const { log } = await new World(scenario, { seed, keepLog: true }).run();
      return log;
    };
    const first = await run(1);
    const again = await run(1);
    assert(first.length > 10_000, `only ${first.length} events`);
    // One by one: a difference is found where it begins.
    for (const [i, event] of first.entries()) assertEquals(again[i], event);
    assertEquals(again.length, first.length);
    assert((await run(2)).join() !== first.join());
  });
}
