import { DAY_AT_WORK, type Scenario, YEAR } from "./scenario.ts";
import { World } from "./world.ts";

/** Days of a run that was asked for nothing else. */
const DEFAULT_SEEDS = 10;

/** What a seed decides the course of. */
type Kind = "day" | "year";

/**
 * The seeds to run: one with `SWARMD_SIM_SEED=n`, the first n with
 * `SWARMD_SIM_SEEDS=n`, else ten days and one year.
 */
function seeds(kind: Kind): number[] {
  const one = Deno.env.get("SWARMD_SIM_SEED");
  if (one !== undefined) return [Number(one)];
  const asked = Deno.env.get("SWARMD_SIM_SEEDS");
  const all = Array.from(
    { length: Number(asked ?? DEFAULT_SEEDS) },
    (_, i) => i + 1,
  );
  if (asked !== undefined) return all;
  // Years take minutes: one here, the others in `deno task sim:long`.
  return kind === "day" ? all : [2];
}

/** The long run has the time for whole fleets. */
function isLong(): boolean {
  return Number(Deno.env.get("SWARMD_SIM_SEEDS") ?? 0) > DEFAULT_SEEDS;
}

/** Tests a scenario with every second seed; two files share the work. */
export function testSeeds(kind: Kind, which: "even" | "odd"): void {
  const rest = which === "even" ? 0 : 1;
  for (const seed of seeds(kind).filter((each) => each % 2 === rest)) {
    const scenario = kind === "day" ? dayOf(seed) : yearOf(seed);
    const { name, workers } = scenario;
    Deno.test(`${name} of ${workers} workers is lived through, seed ${seed}`, async () => {
      await new World(scenario, { seed }).run();
    });
  }
}

/** The year of a seed: the whole fleet in one of twenty, or in all of a long run. */
function yearOf(seed: number): Scenario {
  const whole = isLong() || seed % 20 === 11;
  return whole ? YEAR : { ...YEAR, workers: 25 };
}

/** The day of a seed: the whole fleet in each hundredth of a long run. */
function dayOf(seed: number): Scenario {
  if (!isLong()) return { ...DAY_AT_WORK, workers: 6 };
  return seed % 100 === 1 ? { ...DAY_AT_WORK, workers: 200 } : DAY_AT_WORK;
}
