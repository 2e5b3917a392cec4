import { assertEquals } from "@std/assert";
import { SECOND } from "../../lib/base/time.ts";
import { TokenBuckets } from "../../lib/base/token_buckets.ts";
import { FakeClock } from "../fakes/clock.ts";

const OPTIONS = { ratePerSecond: 2, burst: 3, maxBuckets: 2 };

function taken(buckets: TokenBuckets, key: string): number {
  let count = 0;
  while (buckets.take(key) !== undefined) count++;
  return count;
}

Deno.test("take() gives a burst, then the rate, to each key", async () => {
  const clock = new FakeClock();
  const buckets = new TokenBuckets(clock, OPTIONS);
  assertEquals([taken(buckets, "a"), taken(buckets, "b")], [3, 3]);
  await clock.advance(SECOND);
  assertEquals(taken(buckets, "a"), 2);
  await clock.advance(SECOND);
  assertEquals([taken(buckets, "a"), taken(buckets, "b")], [2, 3]);
});

Deno.test("take() counts keys above the bound as one, and forgets those that are idle", async () => {
  const clock = new FakeClock();
  const buckets = new TokenBuckets(clock, OPTIONS);
  for (const key of ["a", "b"]) buckets.take(key);
  assertEquals([taken(buckets, "c"), taken(buckets, "d")], [3, 0]);
  await clock.advance(2 * SECOND);
  assertEquals(taken(buckets, "d"), 3);
  assertEquals(buckets.size, 1);
});

Deno.test("giveBack() returns one token, never above the burst", async () => {
  const clock = new FakeClock();
  const buckets = new TokenBuckets(clock, OPTIONS);
  const name = buckets.take("a") ?? "none";
  buckets.giveBack(name);
  buckets.giveBack(name);
  buckets.giveBack("unknown");
  assertEquals(taken(buckets, "a"), 3);
  await clock.advance(0);
});
