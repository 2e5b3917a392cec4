import { assertEquals } from "@std/assert";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { Heart } from "../../lib/worker/heart.ts";
import { FakeClock } from "../fakes/clock.ts";

function heart(heartbeatMs: number, firstMs?: number) {
  const clock = new FakeClock();
  const beats: number[] = [];
  let silentAt: number | undefined;
  const made = new Heart({
    clock,
    heartbeatMs,
    firstMs,
    beat: () => beats.push(clock.monotonic()),
    silent: () => silentAt = clock.monotonic(),
  });
  return { clock, beats, heart: made, silentAt: () => silentAt };
}

Deno.test("Heart beats at once, then each period", async () => {
  const { clock, beats, heart: made } = heart(5 * SECOND);
  assertEquals(beats, [0]);
  for (let i = 0; i < 3; i++) {
    await clock.advance(5 * SECOND);
    made.answered(undefined);
  }
  assertEquals(beats, [0, 5_000, 10_000, 15_000]);
  made.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("Heart waits with the first beat for as long as it is told", async () => {
  const { clock, beats, heart: made } = heart(5 * SECOND, 4_700);
  await clock.advance(4_699);
  assertEquals(beats, []);
  await clock.advance(5_001);
  assertEquals(beats, [4_700, 9_700]);
  made.stop();
  for (const wish of [1e-9, 0, -1]) {
    const flooded = heart(5 * SECOND, wish);
    await flooded.clock.advance(199);
    assertEquals(flooded.beats, [], `${wish}`);
    flooded.heart.stop();
  }
});

Deno.test("Heart takes the period that the manager names, once", async () => {
  const { clock, beats, heart: made } = heart(5 * SECOND);
  made.answered(700);
  await clock.advance(700);
  made.answered(undefined);
  await clock.advance(5 * SECOND);
  assertEquals(beats, [0, 700, 5_700]);
  made.stop();
});

Deno.test("Heart tells of silence after three periods, and stops", async () => {
  const { clock, silentAt } = heart(5 * SECOND);
  await clock.advance(15 * SECOND);
  assertEquals(silentAt(), undefined);
  await clock.advance(5 * SECOND);
  assertEquals(silentAt(), 20_000);
  assertEquals(clock.pending, 0);
});

Deno.test("Heart neither floods nor sleeps for ever, whatever a manager wishes", async () => {
  for (const wish of [1e-9, 1, 199]) {
    const { clock, beats, heart: made, silentAt } = heart(wish);
    for (let i = 0; i < 10; i++) {
      await clock.advance(SECOND / 5);
      made.answered(wish);
    }
    assertEquals(beats.length, 11, `${wish}`);
    assertEquals(silentAt(), undefined);
    made.stop();
  }
  for (const wish of [1e300, Number.MAX_VALUE, 30 * DAY]) {
    const { clock, beats, heart: made, silentAt } = heart(wish);
    made.answered(wish);
    await clock.advance(DAY);
    assertEquals(beats, [0, DAY], `${wish}`);
    // A peer that vanished is noticed all the same.
    await clock.advance(4 * DAY);
    assertEquals(silentAt(), 4 * DAY);
    made.stop();
  }
});
