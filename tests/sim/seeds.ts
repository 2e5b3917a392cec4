import { DAY } from "../../lib/base/time.ts";
import { DAY_AT_WORK, HOUR_AT_WORK, type Scenario, YEAR } from "./scenario.ts";
import { World } from "./world.ts";

/** What a seed decides the course of. */
type Kind = "day" | "year";

/** Runs of a kind when nothing else is asked for: 20 in all, in 7 minutes of a core. */
const DEFAULT_SEEDS: Readonly<Record<Kind, number>> = { day: 12, year: 8 };

/** Files that share the work, so that all cores have some. */
type Share = "even" | "odd" | "years of all";

/**
 * Tests a share of the seeds of a kind. Which seeds: one with
 * `SWARMD_SIM_SEED=n`, the first n with `SWARMD_SIM_SEEDS=n`, else 12 days and 8
 * years.
 */
export function testSeeds(kind: Kind, share: Share): void {
  const chosen = seeds(kind).filter((seed) => shareOf(kind, seed) === share);
  for (const seed of chosen) {
    const scenario = kind === "day" ? dayOf(seed) : yearOf(seed);
    const { name, workers } = scenario;
    Deno.test(`${name} of ${workers} workers is lived through, seed ${seed}`, async () => {
      await new World(scenario, { seed }).run();
    });
  }
}

/** The longest have a file of their own, which comes first by its name. */
function shareOf(kind: Kind, seed: number): Share {
  if (kind === "year" && isOfAll(seed)) return "years of all";
  return seed % 2 === 0 ? "even" : "odd";
}

function isOfAll(seed: number): boolean {
  return seed % 8 === 4;
}

/** Nobody does anything with the root of the cluster. */
const YEAR_IN_PEACE: Scenario = { ...YEAR, rotateMs: 10 * YEAR.durationMs };

function seeds(kind: Kind): number[] {
  const one = Deno.env.get("SWARMD_SIM_SEED");
  if (one !== undefined) return [Number(one)];
  const asked = Deno.env.get("SWARMD_SIM_SEEDS") ?? DEFAULT_SEEDS[kind];
  return Array.from({ length: Number(asked) }, (_, i) => i + 1);
}

// The seed alone decides, or a failure of a long run could not be seen again.

/**
 * Every eighth seed is the year of the whole fleet: in turns one whose root
 * stays, as 200 that miss a root cost minutes, and one that rotates. The others
 * are of a few of it, whose operator does much with the root.
 */
function yearOf(seed: number): Scenario {
  if (!isOfAll(seed)) return { ...YEAR, workers: 6 };
  return seed % 16 === 4 ? YEAR_IN_PEACE : { ...YEAR, rotateMs: 150 * DAY };
}

/**
 * Every twelfth seed is an hour of the whole fleet, the others a day of a few.
 * The day of the whole fleet takes minutes: it is every hundredth seed.
 */
function dayOf(seed: number): Scenario {
  if (seed % 100 === 0) return { ...DAY_AT_WORK, workers: 200 };
  return seed % 12 === 3 ? HOUR_AT_WORK : DAY_AT_WORK;
}
