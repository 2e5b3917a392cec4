import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import fc from "fast-check";
import { backoffDelay } from "../../lib/base/backoff.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import {
  drawRenewal,
  isEnding,
  latestRenewal,
  renewalBackoffBound,
  renewalFloor,
} from "../../lib/cluster/expiry.ts";
import { SeededRandom } from "../fakes/random.ts";
import { NOW } from "./samples.ts";

function drawn(uniform: number) {
  return { bytes: (n: number) => new Uint8Array(n), uniform: () => uniform };
}

function life(ms: number) {
  return { issuedAt: NOW, notAfter: NOW + ms };
}

const anyLife = fc.integer({ min: 1, max: 1_000 * 365 * DAY });
const anyUniform = fc.double({
  min: 0,
  max: 1,
  maxExcluded: true,
  noNaN: true,
});

Deno.test("drawRenewal() is uniform in 50 to 80 % of the time from issue to end", () => {
  const cases = [[0, 0.5], [0.5, 0.65], [1 - Number.EPSILON, 0.8]] as const;
  for (const [uniform, part] of cases) {
    const at = drawRenewal(life(HOUR), drawn(uniform));
    assert(Math.abs(at - NOW - part * HOUR) < 1, `${uniform}`);
  }
});

Deno.test("drawRenewal() never leaves its window, whatever the life", () => {
  fc.assert(fc.property(anyLife, anyUniform, (ms, uniform) => {
    const at = drawRenewal(life(ms), drawn(uniform));
    // A double has no more digits for a moment than a thousandth of a ms.
    assertGreaterOrEqual(at, NOW + ms * 0.5 - 0.001);
    assertLessOrEqual(at, NOW + ms * 0.8 + 0.001);
  }));
});

Deno.test("latestRenewal() is the end of the window", () => {
  fc.assert(fc.property(anyLife, anyUniform, (ms, uniform) => {
    const latest = latestRenewal(life(ms));
    assertGreaterOrEqual(latest, drawRenewal(life(ms), drawn(uniform)));
    assertLessOrEqual(latest, NOW + ms * 0.8 + 0.001);
  }));
});

Deno.test("drawRenewal() spreads a fleet over the whole window", () => {
  const random = new SeededRandom(1);
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const part = (drawRenewal(life(DAY), random) - NOW) / DAY;
    const bucket = Math.floor((part - 0.5) / 0.03);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  assertEquals(buckets.length, 10);
  for (const count of buckets) assert(count > 850 && count < 1_150);
});

Deno.test("renewalBackoffBound() is 1 s to 1 h, a twentieth of the life left at most", () => {
  const cases = [
    [90 * DAY, HOUR],
    [20 * HOUR, HOUR],
    [19 * HOUR, 57 * MINUTE],
    [HOUR, 3 * MINUTE],
    [20 * SECOND, SECOND],
    [SECOND, SECOND],
    [0, SECOND],
    [-DAY, SECOND],
  ] as const;
  for (const [left, bound] of cases) {
    assertEquals(renewalBackoffBound(life(left), NOW), bound, `${left} left`);
  }
});

Deno.test("a failing renewal is tried again before the end, and never in a tight loop", () => {
  const random = new SeededRandom(2);
  const failures = fc.integer({ min: 1, max: 1_000 });
  const anyLeft = fc.integer({ min: -DAY, max: 1_000 * DAY });
  fc.assert(fc.property(anyLeft, failures, (left, count) => {
    const maxMs = renewalBackoffBound(life(left), NOW);
    const pause = backoffDelay(count, { baseMs: SECOND, maxMs }, random);
    assertGreaterOrEqual(pause, SECOND / 2);
    assertLessOrEqual(pause, HOUR);
    if (left > 20 * SECOND) assertLessOrEqual(pause, left / 20);
  }));
});

Deno.test("renewalFloor() is 1 s to 1 min, whatever an authority answers", () => {
  const anything = fc.integer({ min: -1_000 * DAY, max: 1_000 * DAY });
  fc.assert(fc.property(anything, (ms) => {
    const floor = renewalFloor(life(ms));
    assertGreaterOrEqual(floor, SECOND);
    assertLessOrEqual(floor, MINUTE);
    // Of a life that is worth having it leaves nearly all.
    if (ms >= 20 * SECOND) assertLessOrEqual(floor, ms / 20);
  }));
  assertEquals(renewalFloor(life(10 * SECOND)), SECOND);
  assertEquals(renewalFloor(life(10 * MINUTE)), 30 * SECOND);
  assertEquals(renewalFloor(life(90 * DAY)), MINUTE);
});

Deno.test("renewals with a floor between them are few, whatever lives they get", () => {
  const random = new SeededRandom(3);
  const lives = fc.array(fc.integer({ min: -HOUR, max: HOUR }), {
    minLength: 1,
    maxLength: 50,
  });
  fc.assert(fc.property(lives, (answers) => {
    let now = NOW;
    for (const ms of answers) {
      const issued = { issuedAt: now, notAfter: now + ms };
      const due = drawRenewal(issued, random);
      now = Math.max(due, now + renewalFloor(issued));
    }
    assertLess(answers.length, (now - NOW) / SECOND + 1);
  }));
});

Deno.test("isEnding() is true in the last tenth of a life, and where leaves get less than half of theirs", () => {
  const issuer = { notBefore: 0, notAfter: 1_000 };
  const at = (now: number, leafLifeMs: number) =>
    isEnding(issuer, { now, leafLifeMs });
  assertEquals(at(900, 10), false);
  assertEquals(at(901, 10), true);
  assertEquals(at(500, 1_000), false);
  assertEquals(at(501, 1_000), true);
  assertEquals(at(2_000, 10), true);
});
