import { assertEquals, assertRejects } from "@std/assert";
import { HOUR, MINUTE } from "../../lib/base/time.ts";
import { clockJump, watchClock } from "../../lib/cluster/clock_watch.ts";
import { FakeClock } from "../fakes/clock.ts";

Deno.test("clockJump() is what the wall clock moved beyond the monotonic one", () => {
  const before = { wall: 1_000_000, monotonic: 500 };
  const cases = [
    [30_000, 30_000, 0],
    [30_000 + 4_999, 30_000, 0],
    [30_000 + 5_000, 30_000, 5_000],
    [30_000 - 4_999, 30_000, 0],
    [30_000 - 5_000, 30_000, -5_000],
    [HOUR, 30_000, HOUR - 30_000],
    [-HOUR, 30_000, -HOUR - 30_000],
    // A suspend: the monotonic clock stood still.
    [8 * HOUR, 10, 8 * HOUR - 10],
  ] as const;
  for (const [wallMs, monotonicMs, jump] of cases) {
    const after = {
      wall: before.wall + wallMs,
      monotonic: before.monotonic + monotonicMs,
    };
    assertEquals(clockJump(before, after), jump, `${wallMs}, ${monotonicMs}`);
  }
});

Deno.test("watchClock() tells of each step once, within a minute, both ways", async () => {
  const clock = new FakeClock();
  const jumps: number[] = [];
  const stop = new AbortController();
  const watching = watchClock(clock, (ms) => jumps.push(ms), stop.signal);
  await clock.advance(10 * MINUTE);
  assertEquals(jumps, []);
  clock.stepWall(HOUR);
  await clock.advance(MINUTE);
  assertEquals(jumps, [HOUR]);
  await clock.advance(10 * MINUTE);
  clock.stepWall(-2 * HOUR);
  await clock.advance(MINUTE);
  assertEquals(jumps, [HOUR, -2 * HOUR]);
  clock.stepWall(4_000);
  await clock.advance(10 * MINUTE);
  assertEquals(jumps.length, 2);
  stop.abort(new Error("over"));
  await assertRejects(() => watching, Error, "over");
  assertEquals(clock.pending, 0);
});
