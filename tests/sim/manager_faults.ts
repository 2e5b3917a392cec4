import { DAY, HOUR } from "../../lib/base/time.ts";
import type { Fault, FaultTools } from "./fleet.ts";
import { MACHINE_FAULTS, SMALL_STEPS, stepClock } from "./machine_faults.ts";
import type { ManagerMachine } from "./manager_machine.ts";

const STEPS = [...SMALL_STEPS, -2 * HOUR, 2 * HOUR, 100 * DAY];

/** What happens to the manager's machine. */
export const MANAGER_FAULTS: readonly Fault<ManagerMachine>[] = [
  ...MACHINE_FAULTS,
  { name: "connections refused", weight: 2, begin: refuse },
  { name: "clock step", weight: 4, begin: stepClock(STEPS) },
];

function refuse(machine: ManagerMachine, faults: FaultTools): void {
  machine.host.refusing = true;
  faults.lasting(machine, {
    name: "connections refused",
    forMs: faults.timeOn(machine),
    over: () => machine.host.refusing = false,
  });
}
