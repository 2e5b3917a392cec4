import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import type { Fault, FaultTools } from "./fleet.ts";
import { MACHINE_FAULTS, SMALL_STEPS, stepClock } from "./machine_faults.ts";
import type { WorkerMachine } from "./worker_machine.ts";

const STEPS = [...SMALL_STEPS, -2 * HOUR, 2 * HOUR, 100 * DAY];

/** What happens to a worker's machine. */
export const WORKER_FAULTS: readonly Fault<WorkerMachine>[] = [
  ...MACHINE_FAULTS,
  { name: "connection cut", weight: 6, begin: cutConnection },
  { name: "connection swallowed", weight: 3, begin: swallowConnection },
  { name: "answer lost", weight: 6, begin: loseAnswer },
  { name: "asleep", weight: 3, begin: sleep },
  { name: "put away", weight: 1, begin: putAway },
  { name: "clock step", weight: 4, begin: stepClock(STEPS) },
  { name: "disk flaky", weight: 2, begin: spoilWrites },
  { name: "disk set back", weight: 1, begin: setDiskBack },
  { name: "disk cloned", weight: 1, begin: cloneDisk },
  { name: "node removed", weight: 1, begin: removeNode },
  { name: "node suspended", weight: 1, begin: suspendNode },
];

function cutConnection(
  machine: WorkerMachine,
  { world, random }: FaultTools,
): void {
  const links = world.network.linksOf(machine.host);
  if (links.length > 0) random.pick(links).cut();
  machine.disturb("connection cut");
}

function swallowConnection(
  machine: WorkerMachine,
  { world, random }: FaultTools,
): void {
  const links = world.network.linksOf(machine.host);
  if (links.length > 0) random.pick(links).blackHole();
  machine.disturb("connection swallowed");
}

function loseAnswer(machine: WorkerMachine): void {
  machine.host.loseAnswers = 1;
}

function sleep(machine: WorkerMachine, faults: FaultTools): void {
  machine.clock.sleep();
  faults.lasting(machine, {
    name: "asleep",
    forMs: faults.duration(SECOND, faults.world.scenario.sleepMs),
    over: () => machine.wake(),
  });
}

/** In a drawer, where it misses whatever the fleet goes through. */
function putAway(machine: WorkerMachine, faults: FaultTools): void {
  const { awayMs } = faults.world.scenario;
  machine.losePower();
  faults.lasting(machine, {
    name: "off",
    forMs: faults.duration(awayMs / 10, awayMs),
    over: () => machine.start(),
  });
}

/** Writes happen, and fail. */
function spoilWrites(machine: WorkerMachine, faults: FaultTools): void {
  machine.diskFlaky = true;
  faults.lasting(machine, {
    name: "disk flaky",
    forMs: faults.timeOn(machine),
    over: () => machine.diskFlaky = false,
  });
}

/** An old image of its disk is put back. */
function setDiskBack(machine: WorkerMachine, faults: FaultTools): void {
  const { image } = machine;
  if (!image) return;
  machine.losePower();
  machine.spoilt = "its disk was set back";
  faults.lasting(machine, {
    name: "off",
    forMs: faults.timeOn(machine),
    over: () => {
      machine.disk.restore(image);
      machine.start();
    },
  });
}

/** A second machine starts with a copy of the disk; hypervisors copy ids, too. */
function cloneDisk(machine: WorkerMachine, faults: FaultTools): void {
  const { world, random } = faults;
  const exact = random.chance(0.5);
  const clone = world.addWorker(exact ? machine.binding : undefined);
  clone.disk.restore(machine.disk.image);
  clone.token = machine.token;
  clone.command = random.pick(["run", "join"]);
  clone.spoilt = `a clone of ${machine.name}`;
  if (exact) machine.spoilt = `cloned as ${clone.name}`;
  clone.start();
  faults.lasting(machine, {
    name: "disk cloned",
    forMs: faults.duration(SECOND, world.scenario.sleepMs),
    over: () => clone.retire(),
    harmless: true,
  });
}

function removeNode(machine: WorkerMachine, { world }: FaultTools): void {
  const { nodeId } = machine;
  if (nodeId === undefined) return;
  machine.spoilt = "it was removed";
  world.operator.remove(nodeId);
}

function suspendNode(machine: WorkerMachine, faults: FaultTools): void {
  const { nodeId } = machine;
  const { operator } = faults.world;
  if (nodeId === undefined) return;
  operator.admit(nodeId, "suspended");
  faults.lasting(machine, {
    name: "node suspended",
    forMs: faults.timeOn(machine),
    over: () => operator.admit(nodeId, "active"),
  });
}
