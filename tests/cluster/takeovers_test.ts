import { assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { MINUTE } from "../../lib/base/time.ts";
import { NO_TAKEOVERS, takeOver } from "../../lib/cluster/takeovers.ts";

interface Fight {
  readonly to: string;
  readonly at: number;
}

/** The number of the takeover that is a conflict, 0 for none. */
function conflictAt(first: string, fights: readonly Fight[]): number {
  let takeovers = NO_TAKEOVERS;
  let from = first;
  for (const [i, { to, at }] of fights.entries()) {
    const result = takeOver(takeovers, { from, to, now: at });
    if (result.conflict) return i + 1;
    ({ takeovers } = result);
    from = to;
  }
  return 0;
}

/** Two machines that take the session from each other, at a pace. */
function clones(times: number, everyMs: number): Fight[] {
  return Array.from({ length: times }, (_, i) => ({
    to: i % 2 === 0 ? "b" : "a",
    at: i * everyMs,
  }));
}

Deno.test("takeOver() takes a device in a restart loop for one machine", () => {
  const restarts = Array.from({ length: 200 }, (_, i) => ({
    to: `boot ${i}`,
    at: i * 1_000,
  }));
  assertEquals(conflictAt("first boot", restarts), 0);
});

Deno.test("takeOver() tells two clones at the fourth return", () => {
  // b takes it from a; then a returns, b returns, a returns, b returns.
  assertEquals(conflictAt("a", clones(20, 1_000)), 5);
});

Deno.test("takeOver() forgets returns after 10 min", () => {
  const every = 200_000;
  assertEquals(conflictAt("a", clones(100, every)), 0);
  // Four returns lie within three pauses: those of just less than 10 min.
  assertEquals(conflictAt("a", clones(100, every - 1)), 5);
});

Deno.test("takeOver() is not confused by a third machine that restarts", () => {
  const fights = [
    { to: "c1", at: 0 },
    { to: "c2", at: 1 },
    { to: "c3", at: 2 },
    { to: "a", at: 3 },
    { to: "c4", at: 4 },
    { to: "a", at: 5 },
    { to: "c5", at: 6 },
    { to: "a", at: 7 },
    { to: "c6", at: 8 },
    { to: "a", at: 9 },
  ];
  assertEquals(conflictAt("a", fights), 10);
});

Deno.test("takeOver() sees a conflict only where an instance came back four times", () => {
  const names = fc.constantFrom("a", "b", "c", "d");
  const script = fc.array(
    fc.record({ to: names, pause: fc.integer({ min: 0, max: 5 * MINUTE }) }),
    { maxLength: 40 },
  );
  fc.assert(fc.property(script, (steps) => {
    let takeovers = NO_TAKEOVERS;
    let from = "z";
    let now = 0;
    const replaced = new Set<string>();
    const returns: number[] = [];
    for (const { to, pause } of steps) {
      now += pause;
      if (to === from) continue;
      if (replaced.has(to)) returns.push(now);
      const result = takeOver(takeovers, { from, to, now });
      const recent = returns.filter((at) => now - at < 10 * MINUTE);
      if (recent.length <= 3) assertFalse(result.conflict);
      replaced.add(from);
      ({ takeovers } = result);
      from = to;
    }
  }));
});

Deno.test("takeOver() remembers few instances, however many come", () => {
  let takeovers = NO_TAKEOVERS;
  for (let i = 0; i < 10_000; i++) {
    const event = { from: `${i}`, to: `${i + 1}`, now: i };
    ({ takeovers } = takeOver(takeovers, event));
  }
  assertEquals(takeovers.replaced.length, 8);
  assertEquals(takeovers.returns.length, 0);
});
