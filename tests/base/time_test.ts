import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  DAY,
  formatDuration,
  formatTime,
  HOUR,
  MINUTE,
  parseDuration,
  SECOND,
  sleep,
  sleepUntil,
} from "../../lib/base/time.ts";
import { FakeClock, settle } from "../fakes/clock.ts";

/** Whether a promise is settled once those that are ready have run. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(() => done = true, () => done = true);
  await settle();
  return done;
}

Deno.test("sleep() ends when its time has passed, not before", async () => {
  const clock = new FakeClock();
  const sleeping = sleep(clock, 100);
  await clock.advance(99);
  assertEquals(await isDone(sleeping), false);
  await clock.advance(1);
  assertEquals(await isDone(sleeping), true);
});

Deno.test("sleep() rejects with the reason of the signal and leaves no timer", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const sleeping = sleep(clock, 100, stop.signal);
  assertEquals(clock.pending, 1);
  stop.abort(new RangeError("stopped"));
  await assertRejects(() => sleeping, RangeError, "stopped");
  assertEquals(clock.pending, 0);
});

Deno.test("sleep() does not begin under an aborted signal", async () => {
  const clock = new FakeClock();
  const signal = AbortSignal.abort(new RangeError("stopped"));
  await assertRejects(() => sleep(clock, 100, signal), RangeError, "stopped");
  assertEquals(clock.pending, 0);
});

Deno.test("sleep() leaves no listener on its signal", async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...event: Parameters<typeof add>) => {
    listeners++;
    add(...event);
  };
  signal.removeEventListener = (...event: Parameters<typeof remove>) => {
    listeners--;
    remove(...event);
  };
  const sleeping = sleep(clock, 100, signal);
  assertEquals(listeners, 1);
  await clock.advance(100);
  await sleeping;
  assertEquals(listeners, 0);
});

Deno.test("sleepUntil() waits for the wall clock", async () => {
  const clock = new FakeClock();
  const sleeping = sleepUntil(clock, clock.now() + HOUR);
  await clock.advance(HOUR - 1);
  assertEquals(await isDone(sleeping), false);
  await clock.advance(1);
  assertEquals(await isDone(sleeping), true);
});

Deno.test("sleepUntil() notices within a minute that the clock was set ahead", async () => {
  const clock = new FakeClock();
  const sleeping = sleepUntil(clock, clock.now() + 90 * DAY);
  await clock.advance(10 * SECOND);
  clock.stepWall(90 * DAY);
  await clock.advance(MINUTE);
  assertEquals(await isDone(sleeping), true);
});

Deno.test("sleepUntil() goes on when the clock was set back", async () => {
  const clock = new FakeClock();
  const sleeping = sleepUntil(clock, clock.now() + 2 * MINUTE);
  await clock.advance(MINUTE);
  clock.stepWall(-HOUR);
  await clock.advance(HOUR);
  assertEquals(await isDone(sleeping), false);
  await clock.advance(MINUTE);
  assertEquals(await isDone(sleeping), true);
});

Deno.test("sleepUntil() ends at once for the past, unless it is stopped", async () => {
  const clock = new FakeClock();
  await sleepUntil(clock, clock.now());
  await sleepUntil(clock, clock.now() - DAY);
  const signal = AbortSignal.abort(new RangeError("stopped"));
  await assertRejects(
    () => sleepUntil(clock, clock.now() - DAY, signal),
    RangeError,
  );
});

Deno.test("parseDuration() reads each unit and their sums", () => {
  const cases = [
    ["250ms", 250],
    ["10s", 10 * SECOND],
    ["5m", 5 * MINUTE],
    ["6h", 6 * HOUR],
    ["90d", 90 * DAY],
    ["1h30m", 90 * MINUTE],
    ["1d2h3m4s5ms", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5],
    ["0s", 0],
    ["365000d", 365_000 * DAY],
  ] as const;
  for (const [text, want] of cases) {
    assertEquals(parseDuration(text), want, text);
  }
});

Deno.test("parseDuration() refuses everything else", () => {
  const texts = [
    "",
    "10",
    "s",
    "-1s",
    "+1s",
    "1.5h",
    "1 h",
    " 1h",
    "1h ",
    "1H",
    "1w",
    "1h30",
    "1e3s",
    "١s",
    "1h\n",
    "365001d",
    `${"9".repeat(400)}d`,
  ];
  for (const text of texts) {
    assertThrows(
      () => parseDuration(text),
      SyntaxError,
      "Cannot read duration",
    );
  }
});

Deno.test("formatDuration() shows the two largest units", () => {
  const cases = [
    [0, "0ms"],
    [1, "1ms"],
    [999, "999ms"],
    [999.4, "999ms"],
    [999.6, "1s"],
    [SECOND, "1s"],
    [1_499, "1s"],
    [1_500, "2s"],
    [59_999, "1m"],
    [MINUTE + SECOND, "1m1s"],
    [HOUR + SECOND, "1h1s"],
    [90 * DAY, "90d"],
    [DAY + HOUR + MINUTE, "1d1h"],
    [-90 * SECOND, "-1m30s"],
  ] as const;
  for (const [ms, want] of cases) {
    assertEquals(formatDuration(ms), want, `${ms}`);
  }
});

Deno.test("formatDuration() writes what parseDuration() reads, to a unit", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 1_000 * DAY }), (ms) => {
    const read = parseDuration(formatDuration(ms));
    const unit = ms < SECOND
      ? 1
      : ms < HOUR
      ? SECOND
      : ms < DAY
      ? MINUTE
      : HOUR;
    assertEquals(Math.abs(read - ms) <= unit, true, `${ms}: ${read}`);
  }));
});

Deno.test("formatTime() writes UTC, to the second", () => {
  assertEquals(formatTime(0), "1970-01-01T00:00:00Z");
  assertEquals(
    formatTime(Date.UTC(2026, 1, 28, 23, 59, 59, 999)),
    "2026-02-28T23:59:59Z",
  );
});
