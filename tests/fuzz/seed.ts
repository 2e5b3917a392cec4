/**
 * The seed of a fuzz run: `SWARMD_FUZZ_SEED`, else a fresh one. Printed, so
 * that a failure can be repeated.
 */
export function fuzzSeed(target: string): number {
  const given = Deno.env.get("SWARMD_FUZZ_SEED");
  const seed = given === undefined
    ? Math.floor(Math.random() * 2 ** 31)
    : Number(given);
  // deno-lint-ignore no-console -- who repeats a failed run needs it
  console.log(`${target}: SWARMD_FUZZ_SEED=${seed}`);
  return seed;
}
