import { assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import fc from "fast-check";
import { backoffDelay } from "../../lib/base/backoff.ts";
import { SeededRandom } from "../fakes/random.ts";

const OPTIONS = { baseMs: 100, maxMs: 5_000 };

function fixed(uniform: number) {
  return {
    bytes: (length: number) => new Uint8Array(length),
    uniform: () => uniform,
  };
}

Deno.test("backoffDelay() doubles up to its bound", () => {
  const cases = [[1, 100], [2, 200], [3, 400], [6, 3_200], [7, 5_000], [
    8,
    5_000,
  ]] as const;
  for (const [failures, bound] of cases) {
    assertEquals(backoffDelay(failures, OPTIONS, fixed(0)), bound / 2);
    assertEquals(backoffDelay(failures, OPTIONS, fixed(0.5)), bound * 0.75);
  }
});

Deno.test("backoffDelay() stays within the upper half, however long it fails", () => {
  const random = new SeededRandom(1);
  const anyCount = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(anyCount, (failures) => {
    const bound = Math.min(5_000, 100 * 2 ** (failures - 1));
    const delay = backoffDelay(failures, OPTIONS, random);
    assertGreaterOrEqual(delay, bound / 2);
    assertLess(delay, bound);
  }));
});

Deno.test("backoffDelay() takes a count below 1 for the first failure", () => {
  for (const failures of [0, -1, -Infinity]) {
    assertEquals(backoffDelay(failures, OPTIONS, fixed(0)), 50);
  }
});
