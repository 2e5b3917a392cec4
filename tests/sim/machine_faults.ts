import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { Fault, FaultTools } from "./fleet.ts";
import type { Machine } from "./machine.ts";
import { aWrite } from "./process.ts";

/** Steps of a wall clock, in milliseconds. */
export const SMALL_STEPS = [-10 * MINUTE, 10 * MINUTE];
/** A step that moves a certificate's end by less than this part of its life harms nobody. */
const HARMLESS_PART = 0.01;

/** What happens to any machine. */
export const MACHINE_FAULTS: readonly Fault<Machine>[] = [
  { name: "crash", weight: 4, begin: (machine) => machine.crash("by a fault") },
  { name: "crash at a write", weight: 8, begin: crashAtWrite },
  { name: "restart", weight: 2, begin: (machine) => machine.stop() },
  { name: "cut off", weight: 4, begin: cutOff },
  { name: "slow network", weight: 3, begin: slowNetwork },
  { name: "off", weight: 3, begin: losePower },
  { name: "disk full", weight: 2, begin: fillDisk },
];

/** It dies at one of the next writes, of this process or of the next. */
function crashAtWrite(machine: Machine, { random }: FaultTools): void {
  const plan = aWrite(random);
  if (random.chance(0.5)) return machine.process?.dieAt(plan);
  machine.crashPlan = plan;
  machine.crash("to die again at a write");
}

function cutOff(machine: Machine, faults: FaultTools): void {
  const forMs = faults.timeOn(machine);
  faults.lasting(machine, { name: "cut off", forMs, over: () => {} });
}

function slowNetwork(machine: Machine, faults: FaultTools): void {
  const { host } = machine;
  const before = host.latencyMs;
  host.latencyMs = faults.duration(100, 15 * SECOND);
  faults.lasting(machine, {
    name: "slow network",
    forMs: faults.timeOn(machine),
    over: () => host.latencyMs = before,
  });
}

function losePower(machine: Machine, faults: FaultTools): void {
  machine.losePower();
  faults.lasting(machine, {
    name: "off",
    forMs: faults.timeOn(machine),
    over: () => machine.start(),
  });
}

function fillDisk(machine: Machine, faults: FaultTools): void {
  machine.diskFull = true;
  faults.lasting(machine, {
    name: "disk full",
    forMs: faults.timeOn(machine),
    over: () => machine.diskFull = false,
  });
}

/** Later NTP sets it right again. */
export function stepClock(steps: readonly number[]) {
  return (machine: Machine, faults: FaultTools): void => {
    const { leafLifeMs } = faults.world.scenario;
    const byMs = faults.random.pick(steps);
    machine.log(`clock steps by ${byMs / MINUTE} min`);
    machine.clock.step(byMs);
    faults.lasting(machine, {
      name: "clock step",
      forMs: faults.timeOn(machine),
      over: () => machine.clock.step(-byMs),
      harmless: Math.abs(byMs) < leafLifeMs * HARMLESS_PART,
    });
  };
}
