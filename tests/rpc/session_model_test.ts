import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import type { SessionLimits } from "../../lib/rpc/session_channel.ts";
import { fuzzSeed } from "../fuzz/seed.ts";
import { SessionPair, type Step } from "./session_pair.ts";

const SMALL: SessionLimits = {
  unackedMessages: 5,
  unackedBytes: 600,
  ackAfterMessages: 3,
  ackAfterMs: 200,
  maxWaitingBytes: 1 << 20,
};

Deno.test("SessionChannel delivers everything once and in order over connections that fail", async () => {
  const seen = { attaches: 0, cuts: 0, repeats: 0, delivered: 0 };
  await fc.assert(
    fc.asyncProperty(
      steps(),
      limits(),
      fc.boolean(),
      async (script, limits, slow) => {
        const pair = new SessionPair(limits, { slow });
        for (const step of script) await pair.run(step);
        pair.checkDelivered("prefix");
        await pair.settle();
        assertFalse(pair.ended);
        pair.checkDelivered("all");
        for (const { channel } of pair.sides) {
          assertEquals(
            channel.queuedBytes,
            0,
          );
        }
        assertEquals(pair.clock.pending, 0);
        seen.attaches += pair.attaches;
        seen.cuts += pair.cuts;
        for (const side of pair.sides) {
          seen.repeats += side.repeats;
          seen.delivered += side.delivered.length;
        }
      },
    ),
    { numRuns: 1_500, seed: fuzzSeed("session model") },
  );
  // The scripts did reach what they are for: 840 cuts, give or take 50.
  for (const count of Object.values(seen)) {
    assert(count > 500, Deno.inspect(seen));
  }
});

Deno.test("SessionChannel ends with notice, once and empty, when too much waits", async () => {
  let overruns = 0;
  await fc.assert(
    fc.asyncProperty(steps(), async (script) => {
      const pair = new SessionPair({ ...SMALL, maxWaitingBytes: 4_000 }, {
        slow: false,
      });
      for (const step of script) {
        await pair.run(step);
        if (pair.ended) break;
      }
      if (!pair.ended) return;
      overruns += 1;
      await pair.settle();
      pair.checkDelivered("prefix");
      for (const { channel, ends } of pair.sides) {
        for (const error of ends) {
          assertEquals(error.code, "session-ended");
          assertEquals(error.data, { reason: "overrun" });
          assertEquals([channel.queuedBytes, channel.attached], [0, false]);
        }
      }
    }),
    { numRuns: 500, seed: fuzzSeed("session overrun model") },
  );
  assert(overruns > 50, `${overruns} overruns`);
});

function limits(): fc.Arbitrary<SessionLimits> {
  return fc.constantFrom(
    SMALL,
    { ...SMALL, unackedMessages: 1 },
    // The peer's idea of when to acknowledge may not fit the own window.
    { ...SMALL, unackedMessages: 2, ackAfterMessages: 64 },
    { ...SMALL, unackedBytes: 1, ackAfterMessages: 1 },
  );
}

function steps(): fc.Arbitrary<Step[]> {
  const bytes = fc.oneof(fc.nat(80), fc.constant(1 << 20));
  const end = fc.oneof({ weight: 3, arbitrary: fc.nat(1) }, fc.nat(5));
  const size = fc.oneof(fc.nat(50), fc.nat(900));
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("send" as const),
        side: fc.constantFrom(0 as const, 1 as const),
        size,
      }),
    },
    {
      weight: 14,
      arbitrary: fc.record({
        do: fc.constant("flow" as const),
        end,
        bytes,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("advance" as const),
        ms: fc.nat(300),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "dial" as const }) },
    { weight: 2, arbitrary: fc.constant({ do: "answer" as const }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("cut" as const),
        link: fc.nat(3),
        keep: fc.oneof(fc.nat(300), fc.constant(1 << 20)),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("notice" as const),
        end,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("replay" as const),
        pick: fc.nat(),
      }),
    },
  );
  return fc.array(step, { maxLength: 120, size: "max" });
}
