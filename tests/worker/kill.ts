import type { DiskEvents } from "../sim/sim_disk.ts";

/** Where a process dies: at its n-th write, before or after it happened. */
export interface Death {
  readonly write: number;
  readonly when: "before" | "after";
}

/** A disk on which the process dies; a dead process never goes on. */
export class DeadlyDisk implements DiskEvents {
  /** What was to be written, in order. */
  readonly writes: string[] = [];
  dead = false;
  /** Writes that have happened: some are under way at the same time. */
  #done = 0;
  /** Called at the moment of death. */
  died = () => {};
  readonly #death: Death;

  constructor(death: Death) {
    this.#death = death;
  }

  before(what: string): Promise<void> {
    return this.#at("before", this.writes.push(what));
  }

  after(): Promise<void> {
    return this.#at("after", ++this.#done);
  }

  #at(when: Death["when"], count: number): Promise<void> {
    const { write, when: deadly } = this.#death;
    if (!this.dead && count === write && when === deadly) {
      this.dead = true;
      this.died();
    }
    return this.dead ? new Promise(() => {}) : Promise.resolve();
  }
}

/** Every place at which a process with so many writes can die. */
export function deaths(writes: number): Death[] {
  return Array.from({ length: writes }, (_, i) => i + 1).flatMap((write) =>
    [{ write, when: "before" }, { write, when: "after" }] as const
  );
}
