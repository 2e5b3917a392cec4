import { assertEquals } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { SkewMeter } from "../../lib/worker/skew_meter.ts";
import { FakeClock } from "../fakes/clock.ts";

const NOW = Date.UTC(2026, 0, 1);

function open() {
  const clock = new FakeClock(NOW);
  return new SkewMeter({ clock, logger: silentLogger });
}

Deno.test("SkewMeter.measure() takes the middle between question and answer", () => {
  const meter = open();
  assertEquals(meter.skew, undefined);
  meter.measure(NOW - 10 * SECOND, NOW - 2 * SECOND);
  assertEquals(meter.skew, { ms: 9 * SECOND, at: NOW, isVerified: true });
});

Deno.test("SkewMeter.suspect() shows what a dial says that failed by dates alone, and nothing else", () => {
  const meter = open();
  const data = { here: NOW, there: NOW + 100 * DAY };
  meter.suspect(new SwarmdError("clock-skew", "too early", { data }));
  const suspected = { ms: -100 * DAY, at: NOW, isVerified: false };
  assertEquals(meter.skew, suspected);
  meter.suspect(new SwarmdError("clock-skew", "too early"));
  meter.suspect(new SwarmdError("tls", "another root", { data }));
  meter.suspect(new Error("no SwarmdError"));
  assertEquals(meter.skew, suspected);
  meter.measure(NOW, NOW);
  assertEquals(meter.skew, { ms: 0, at: NOW, isVerified: true });
});
