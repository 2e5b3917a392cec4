import type { Clock } from "../base/time.ts";
import type { WorkerEvent } from "./ports.ts";

/** Where a worker is connected. */
export interface Place {
  readonly node: string;
  /** Address of the manager. */
  readonly manager: string;
}

/**
 * Tells the operator when a session begins and when it is interrupted, each
 * once: moving to another connection is neither.
 */
export class Presence {
  readonly #clock: Clock;
  readonly #event: (event: WorkerEvent) => void;
  #place: Place | undefined;
  #since: number;

  constructor(
    parts: {
      readonly clock: Clock;
      readonly event: (event: WorkerEvent) => void;
    },
  ) {
    this.#clock = parts.clock;
    this.#event = parts.event;
    this.#since = parts.clock.now();
  }

  /** Since when it is as it is: wall clock, in milliseconds. */
  get since(): number {
    return this.#since;
  }

  connected(place: Place): void {
    const before = this.#place;
    this.#place = place;
    if (before) return;
    this.#since = this.#clock.now();
    this.#event({ event: "connected", ...place });
  }

  interrupted(reason: string): void {
    const place = this.#place;
    if (!place) return;
    this.leave();
    this.#event({ event: "disconnected", ...place, reason });
  }

  /** It ends as it was told to, which is no interruption. */
  leave(): void {
    this.#place = undefined;
    this.#since = this.#clock.now();
  }
}
