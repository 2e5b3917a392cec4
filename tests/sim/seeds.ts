import { DAY_AT_WORK, type Scenario, YEAR } from "./scenario.ts";
import { World } from "./world.ts";

/** Seeds of a run that was asked for nothing else. */
const DEFAULT_SEEDS = 20;

/**
 * The seeds to run: one with `SWARMD_SIM_SEED=n`, the first n with
 * `SWARMD_SIM_SEEDS=n`, else the first 20.
 */
function seeds(): number[] {
  const one = Deno.env.get("SWARMD_SIM_SEED");
  if (one !== undefined) return [Number(one)];
  const count = Number(Deno.env.get("SWARMD_SIM_SEEDS") ?? DEFAULT_SEEDS);
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** The long run has the time for whole fleets. */
function isLong(): boolean {
  return Number(Deno.env.get("SWARMD_SIM_SEEDS") ?? 0) > DEFAULT_SEEDS;
}

/** Tests a scenario with every second seed; two files share the work. */
export function testSeeds(
  which: "even" | "odd",
  scenarioOf: (seed: number) => Scenario,
): void {
  const rest = which === "even" ? 0 : 1;
  for (const seed of seeds().filter((each) => each % 2 === rest)) {
    const scenario = scenarioOf(seed);
    const { name, workers } = scenario;
    Deno.test(`${name} of ${workers} workers is lived through, seed ${seed}`, async () => {
      await new World(scenario, { seed }).run();
    });
  }
}

/** The year of a seed: the whole fleet in each tenth, or in all of a long run. */
export function yearOf(seed: number): Scenario {
  const whole = isLong() || seed % 10 === 1;
  return whole ? YEAR : { ...YEAR, workers: 25 };
}

/** The day of a seed: the whole fleet in each hundredth of a long run. */
export function dayOf(seed: number): Scenario {
  if (!isLong()) return { ...DAY_AT_WORK, workers: 6 };
  return seed % 100 === 1 ? { ...DAY_AT_WORK, workers: 200 } : DAY_AT_WORK;
}
