import { assertEquals } from "@std/assert";
import { LogThrottle } from "../../lib/base/log_throttle.ts";
import { FakeClock } from "../fakes/clock.ts";
import { LogBook } from "../net/harness.ts";

Deno.test("warn() writes ten lines of a message in ten seconds, and counts the rest", async () => {
  const clock = new FakeClock();
  const log = new LogBook();
  const throttle = new LogThrottle(log, clock);
  for (let i = 0; i < 1_000; i++) throttle.warn("flood", { i });
  throttle.warn("other", {});
  assertEquals(log.lines.length, 11);
  await clock.advance(9_999);
  throttle.warn("flood", {});
  assertEquals(log.lines.length, 11);
  await clock.advance(1);
  throttle.warn("flood", { i: 7 });
  throttle.warn("flood", { i: 8 });
  assertEquals(log.lines.slice(11), [
    { message: "flood", fields: { i: 7, omitted: 991 } },
    { message: "flood", fields: { i: 8 } },
  ]);
});

Deno.test("warn() counts each code by itself, so that noise hides nothing", () => {
  const log = new LogBook();
  const throttle = new LogThrottle(log, new FakeClock());
  for (let i = 0; i < 1_000; i++) throttle.warn("refused", { code: "noise" });
  throttle.warn("refused", { code: "replaced" });
  assertEquals(log.lines.length, 11);
  assertEquals(log.lines.at(-1)?.fields, { code: "replaced" });
});
