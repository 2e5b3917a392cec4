import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";

/** What is simulated. Times in milliseconds. */
export interface Scenario {
  readonly name: string;
  readonly workers: number;
  readonly durationMs: number;
  readonly heartbeatMs: number;
  readonly leafLifeMs: number;
  /** Between two numbers of an application. */
  readonly numbersMs: number;
  /** Between two looks at everything. */
  readonly checkMs: number;
  /** Within which all workers are started for the first time. */
  readonly startMs: number;
  /** How often something happens to one worker's machine, on average. */
  readonly faultMs: number;
  /** How often something happens to the manager's machine, on average. */
  readonly managerFaultMs: number;
  /** The longest ordinary fault of a worker's machine. */
  readonly longMs: number;
  /** The same of the manager's. */
  readonly managerLongMs: number;
  /** How long machines sleep at most. */
  readonly sleepMs: number;
  /** How long they lie in a drawer at most. */
  readonly awayMs: number;
  /** How often the operator thinks of the root, on average. */
  readonly rotateMs: number;
  /** How often the operator wants to be asked about who comes, on average. */
  readonly approvalMs: number;
  /** For how long at most; over one of them he thinks for a third of it at most. */
  readonly approvalLongMs: number;
  /** Longest pause before a process that ended by itself is started again. */
  readonly maxRestartMs: number;
}

/** A year in which a beat comes every six hours. */
export const YEAR: Scenario = {
  name: "a year",
  workers: 200,
  durationMs: 365 * DAY,
  heartbeatMs: 6 * HOUR,
  leafLifeMs: 90 * DAY,
  numbersMs: 5 * DAY,
  checkMs: 6 * HOUR,
  startMs: DAY,
  faultMs: 40 * DAY,
  managerFaultMs: 20 * DAY,
  // What is tried again every few seconds meanwhile is most of the work of a
  // year, and the fourth hour of it shows nothing new.
  longMs: 3 * HOUR,
  managerLongMs: 10 * MINUTE,
  sleepMs: 40 * DAY,
  awayMs: 150 * DAY,
  rotateMs: 60 * DAY,
  approvalMs: 60 * DAY,
  // Who waits is forgotten after a day, and hears of it twice a minute: more of
  // that is most of the work of a year, and shows nothing new.
  approvalLongMs: 2.5 * DAY,
  maxRestartMs: 2 * HOUR,
};

/** A day in which a beat comes every five seconds. */
export const DAY_AT_WORK: Scenario = {
  name: "a day",
  workers: 5,
  durationMs: DAY,
  heartbeatMs: 5 * SECOND,
  leafLifeMs: HOUR,
  numbersMs: 30 * SECOND,
  checkMs: 2 * MINUTE,
  startMs: 10 * MINUTE,
  faultMs: 2 * HOUR,
  managerFaultMs: HOUR,
  longMs: 20 * MINUTE,
  managerLongMs: 2 * MINUTE,
  sleepMs: 2 * HOUR,
  awayMs: 10 * HOUR,
  rotateMs: 4 * HOUR,
  approvalMs: 3 * HOUR,
  approvalLongMs: 2 * HOUR,
  maxRestartMs: 10 * MINUTE,
};

/** An hour of such a day, of all workers: with two renewals of each, and more faults. */
export const HOUR_AT_WORK: Scenario = {
  ...DAY_AT_WORK,
  name: "an hour",
  workers: 200,
  durationMs: HOUR,
  faultMs: HOUR,
  managerFaultMs: 20 * MINUTE,
  rotateMs: 15 * MINUTE,
  approvalMs: 15 * MINUTE,
  approvalLongMs: 10 * MINUTE,
};
