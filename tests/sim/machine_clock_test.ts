import { assertEquals } from "@std/assert";
import { DAY, HOUR, MINUTE, SECOND, sleepUntil } from "../../lib/base/time.ts";
import { MachineClock, START } from "./machine_clock.ts";
import { VirtualClock } from "./virtual_clock.ts";

function setUp(maxLookMs = 0) {
  const time = new VirtualClock();
  const machine = new MachineClock(time, maxLookMs);
  const process = { alive: true };
  return { time, machine, process, clock: machine.forProcess(process) };
}

Deno.test("MachineClock steps its wall clock alone", async () => {
  const { time, machine, clock } = setUp();
  await time.runUntil(SECOND);
  machine.step(-HOUR);
  assertEquals(clock.now(), START + SECOND - HOUR);
  assertEquals(clock.monotonic(), SECOND);
});

Deno.test("MachineClock stands still while it sleeps, and its timers with it", async () => {
  const { time, machine, clock } = setUp();
  const fired: number[] = [];
  for (const delay of [10, 20, 30]) {
    clock.schedule(delay * SECOND, () => fired.push(time.now / SECOND));
  }
  await time.runUntil(15 * SECOND);
  machine.sleep();
  await time.runUntil(100 * SECOND);
  assertEquals(clock.monotonic(), 15 * SECOND);
  machine.wake();
  await time.runUntil(200 * SECOND);
  assertEquals(fired, [10, 105, 115]);
  assertEquals(clock.monotonic(), 115 * SECOND);
  assertEquals(clock.now(), START + 200 * SECOND);
});

Deno.test("MachineClock fires no timer that was cancelled, or whose process is dead", async () => {
  const { time, machine, process, clock } = setUp();
  const fired: string[] = [];
  const cancel = clock.schedule(SECOND, () => fired.push("cancelled"));
  const cancelAsleep = clock.schedule(SECOND, () => fired.push("parked"));
  clock.schedule(2 * SECOND, () => fired.push("kept"));
  clock.schedule(10 * SECOND, () => fired.push("dead"));
  cancel();
  machine.sleep();
  await time.runUntil(5 * SECOND);
  cancelAsleep();
  machine.wake();
  await time.runUntil(8 * SECOND);
  process.alive = false;
  await time.runUntil(60 * SECOND);
  assertEquals(fired, ["kept"]);
});

Deno.test("MachineClock puts looks at the wall clock off, each time longer", async () => {
  const { time, clock } = setUp(DAY);
  void sleepUntil(clock, START + 30 * DAY);
  await time.runUntil(29 * DAY);
  assertEquals(time.events < 60, true, `${time.events} events`);
});

Deno.test("MachineClock brings looks back when the wall clock is stepped or the machine wakes", async () => {
  for (const jump of ["step", "sleep"] as const) {
    const { time, machine, clock } = setUp(DAY);
    const due = START + 100 * DAY;
    let over = 0;
    void sleepUntil(clock, due).then(() => over = time.now);
    await time.runUntil(10 * DAY);
    if (jump === "step") machine.step(90 * DAY);
    else {
      machine.sleep();
      await time.runUntil(100 * DAY);
      machine.wake();
    }
    const jumped = time.now;
    await time.runUntil(jumped + MINUTE);
    assertEquals(over > 0 && over - jumped <= MINUTE, true, `${jump} ${over}`);
  }
});
