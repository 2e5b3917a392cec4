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
  longMs: 12 * HOUR,
  managerLongMs: 30 * MINUTE,
  sleepMs: 40 * DAY,
};

/** A day in which a beat comes every five seconds. */
export const DAY_AT_WORK: Scenario = {
  name: "a day",
  workers: 20,
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
};

/** Nothing goes wrong. */
export function calm(scenario: Scenario): Scenario {
  return { ...scenario, faultMs: Infinity, managerFaultMs: Infinity };
}
