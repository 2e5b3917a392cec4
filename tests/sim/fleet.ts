import type { StreamRandom } from "../fakes/stream_random.ts";
import type { Invariants } from "./invariants.ts";
import type { Machine } from "./machine.ts";
import type { ManagerMachine } from "./manager_machine.ts";
import type { Network } from "./network.ts";
import type { Numbers } from "./numbers.ts";
import type { Scenario } from "./scenario.ts";
import type { VirtualClock } from "./virtual_clock.ts";
import type { WorkerMachine } from "./worker_machine.ts";

/** The world, as those see it who look at it and disturb it. */
export interface Fleet {
  readonly scenario: Scenario;
  readonly random: StreamRandom;
  readonly clock: VirtualClock;
  readonly network: Network;
  readonly numbers: Numbers;
  readonly invariants: Invariants;
  readonly manager: ManagerMachine;
  readonly workers: WorkerMachine[];
  readonly operator: FleetOperator;
  readonly queue: FleetQueue;
  /** The true time, as a wall clock. */
  readonly now: number;
  /** After this long without trouble, a worker must be well. */
  readonly patienceMs: number;
  addWorker(binding?: string): WorkerMachine;
  /** Machines that cannot be told from each other. */
  machinesOf(binding: string): readonly WorkerMachine[];
  /** Something that must not happen has happened. */
  fail(text: string): void;
}

/** The operator, as faults and checks see him. */
export interface FleetOperator {
  /** Looks after everybody, out of turn. */
  look(): void;
  remove(nodeId: string): void;
  admit(nodeId: string, admission: "active" | "suspended"): void;
  /** Why a worker needs another join, if it does. */
  reasonFor(worker: WorkerMachine): string | undefined;
  /** All machines that run with a machine's identity, itself included. */
  twinsOf(worker: WorkerMachine): WorkerMachine[];
}

/** Who waits for the operator. */
export interface FleetQueue {
  /** Whether a machine can do nothing but wait. */
  waits(worker: WorkerMachine): boolean;
}

/** Something that can go wrong with a machine. */
export interface Fault<M> {
  readonly name: string;
  /** How often, compared with the others. */
  readonly weight: number;
  readonly begin: (machine: M, faults: FaultTools) => void;
}

/** Something that lasts for a while. */
export interface Lasting {
  readonly name: string;
  /** In milliseconds. */
  readonly forMs: number;
  readonly over: () => void;
  /** The machine must stay well meanwhile. */
  readonly harmless?: boolean;
}

/** What faults are made with. */
export interface FaultTools {
  readonly world: Fleet;
  readonly random: StreamRandom;
  /** Something that lasts; what ends it is called once. */
  lasting(machine: Machine, fault: Lasting): void;
  /** A time between two others; each order of magnitude as likely as the next. */
  duration(fromMs: number, toMs: number): number;
  /** An ordinary time for something to last on a machine. */
  timeOn(machine: Machine): number;
}
