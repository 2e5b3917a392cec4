import { assertEquals, assertRejects } from "@std/assert";
import { openPromises } from "../fakes/sim_crypto.ts";
import { VirtualClock } from "./virtual_clock.ts";

Deno.test("VirtualClock runs events in order of time, then of planning", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const plan = (time: number, name: string) =>
    clock.at(time, () => seen.push(`${name} at ${clock.now}`));
  plan(30, "c");
  plan(10, "a");
  plan(30, "d");
  plan(20.5, "b");
  plan(31, "never");
  await clock.runUntil(30);
  assertEquals(seen, ["a at 10", "b at 21", "c at 30", "d at 30"]);
  assertEquals(clock.now, 30);
});

Deno.test("VirtualClock runs many events in order, whatever the order of planning", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const times = Array.from({ length: 5_000 }, (_, i) => (i * 7_919) % 5_000);
  const planned = times.map((time) => clock.at(time, () => seen.push(time)));
  for (const [i, each] of planned.entries()) {
    if ((times[i] ?? 0) % 3 === 0) clock.cancel(each);
  }
  await clock.runUntil(5_000);
  const wanted = [...times].sort((a, b) => a - b).filter((n) => n % 3 !== 0);
  assertEquals(seen, wanted);
});

Deno.test("VirtualClock runs all promises that are ready before the next event", async () => {
  const clock = new VirtualClock();
  let turns = 0;
  const chain = async () => {
    for (let i = 0; i < 1_000; i++) {
      await Promise.resolve();
      turns++;
    }
  };
  const seen: number[] = [];
  clock.at(1, () => void chain());
  clock.at(1, () => seen.push(turns));
  await clock.runUntil(1);
  assertEquals(seen, [1_000]);
});

Deno.test("VirtualClock does nothing more once it is stopped", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  clock.at(1, () => clock.stopped = true);
  clock.at(1, () => seen.push(1));
  await clock.runUntil(10);
  assertEquals([clock.now, ...seen], [1]);
});

Deno.test("VirtualClock fails when cryptography is open after an event", async () => {
  const clock = new VirtualClock();
  clock.at(1, () => openPromises.count++);
  try {
    await assertRejects(() => clock.runUntil(1), Error, "are open");
  } finally {
    openPromises.count = 0;
  }
});

Deno.test("VirtualClock passes on what an event throws", async () => {
  const clock = new VirtualClock();
  clock.at(1, () => {
    throw new RangeError("an event's own");
  });
  await assertRejects(() => clock.runUntil(1), RangeError, "an event's own");
});
