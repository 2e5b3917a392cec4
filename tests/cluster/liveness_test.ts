import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { nextBeat, silenceLimit } from "../../lib/cluster/liveness.ts";

Deno.test("nextBeat() spreads beats by a tenth to either side", () => {
  const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(fc.property(uniform, (drawn) => {
    const random = { bytes: () => new Uint8Array(), uniform: () => drawn };
    const ms = nextBeat(5_000, random);
    assertEquals(ms >= 4_500 && ms <= 5_500, true, `${ms}`);
  }));
});

Deno.test("silenceLimit() is three beats", () => {
  assertEquals(silenceLimit(5_000), 15_000);
});
