import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import type { RotationWish } from "../../lib/manager/rotation_orders.ts";
import type { StreamRandom } from "../fakes/stream_random.ts";
import type { Fleet } from "./fleet.ts";

/** Writes of a rotation of a few nodes, some of which a manager dies at. */
const ROTATION_WRITES = 60;
/** How long a cut-off root still carries whoever was connected, in milliseconds. */
const CARRY_MS = HOUR;

/** What somebody may think of a rotation that is under way. */
const SECOND_THOUGHTS = [
  "abort",
  "abort",
  "abort",
  "replace",
  "replace",
  "replace",
  "finish",
  "finish",
  "cut off",
] as const;

/**
 * What the operator does about the root of the cluster, and what goes wrong
 * meanwhile: a rotation is over in seconds where nobody is away, and no fault
 * of every few weeks would ever meet it.
 */
export class RootChanges {
  readonly #world: Fleet;
  readonly #random: StreamRandom;
  /** How often each was done. */
  readonly counts = new Map<string, number>();

  constructor(world: Fleet, random: StreamRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** Once in a while, so that the last one has the time to end. */
  begin(): void {
    const { clock, scenario: { rotateMs, durationMs } } = this.#world;
    const again = () => {
      const pauseMs = this.#random.between(rotateMs / 2, 1.5 * rotateMs);
      if (clock.now + pauseMs + rotateMs / 2 > durationMs) return;
      clock.after(pauseMs, () => {
        this.#think();
        again();
      });
    };
    again();
  }

  /** Nobody waits any more for nodes whose machines are gone. */
  end(): void {
    if (this.phase !== undefined) this.#do("finish");
  }

  /** Where the rotation stands; `undefined` when none is under way. */
  get phase(): string | undefined {
    return this.#world.manager.store
      ?.view((view) => view.get("cluster", CLUSTER))?.rotation?.phase;
  }

  #think(): void {
    const random = this.#random;
    if (this.phase !== undefined) return this.#changeMind();
    if (random.chance(0.05)) return this.#do("cut off");
    this.#do("rotate");
    if (random.chance(0.4)) this.#disturb();
    while (random.chance(0.4)) {
      const { clock } = this.#world;
      clock.after(this.#soon(), () => this.#changeMind());
    }
  }

  /** From the first moments of a rotation to its first hour. */
  #soon(): number {
    return Math.ceil(10 * (HOUR / 10) ** this.#random.uniform());
  }

  #changeMind(): void {
    if (this.phase !== undefined) this.#do(this.#random.pick(SECOND_THOUGHTS));
  }

  /** The manager, or a worker, dies at one of the writes of a rotation. */
  #disturb(): void {
    const { manager, workers } = this.#world;
    const random = this.#random;
    const machine = random.chance(0.6) ? manager : random.pick(workers);
    const write = 1 + random.integer(ROTATION_WRITES);
    const when = random.chance(0.5) ? "before" : "after";
    machine.process?.dieAt({ write, when });
  }

  #do(what: "rotate" | typeof SECOND_THOUGHTS[number]): void {
    const { manager } = this.#world;
    const { rotation: desk } = manager.manager ?? {};
    if (!desk) return;
    manager.log(`operator: ${what} (${this.phase})`);
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    const step = {
      rotate: () => desk.start(this.#wish()),
      replace: () => desk.start(this.#wish()),
      abort: () => desk.abort(),
      finish: () => desk.finish(),
      "cut off": () => this.#cutOff(),
    }[what]();
    // As to an operator, who reads it and lets it be.
    step.catch((error) => manager.log(`operator: ${error}`));
  }

  #wish(): RotationWish {
    const { rotateMs } = this.#world.scenario;
    if (this.#random.chance(0.3)) return {};
    return { deadlineMs: rotateMs * this.#random.uniform(), quorum: 0.5 };
  }

  /** Whoever cannot be carried over has to join again. */
  async #cutOff(): Promise<void> {
    const { clock, manager, operator, workers } = this.#world;
    for (const worker of workers) worker.disturb("the root is cut off");
    const cutAll = this.#random.chance(0.3);
    await manager.manager?.rotation.cutOff({ cutAll });
    this.#lookOften(CARRY_MS);
    clock.after(CARRY_MS + MINUTE, () => operator.look());
  }

  /** What is carried over lives for an hour: looks that were put off would miss it. */
  #lookOften(leftMs: number): void {
    const { clock, manager, workers } = this.#world;
    if (leftMs <= 0) return;
    for (const machine of [manager, ...workers]) machine.clock.step(0);
    clock.after(MINUTE - SECOND, () => this.#lookOften(leftMs - MINUTE));
  }
}
