import { type Bytes, concat } from "../../lib/base/bytes.ts";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { StreamRandom } from "../fakes/stream_random.ts";
import type { Planned, VirtualClock } from "./virtual_clock.ts";

/** When a system gives up sending again what nobody acknowledges (tcp_retries2). */
const GIVE_UP_MS = 15 * MINUTE;

/** A machine's place in the network. */
export interface Host {
  readonly name: string;
  readonly ip: string;
  readonly random: StreamRandom;
  /** One way to the backbone, in milliseconds. */
  latencyMs: number;
  /** False: packets from and to it are dropped. */
  reachable: boolean;
  /** Answers with a certificate that are to be lost. */
  loseAnswers: number;
  /** One was lost. */
  lostAnswer: () => void;
  /** New connections to it are refused. */
  refusing: boolean;
}

/** What travels on a pipe. */
export type Segment =
  | { readonly kind: "data"; readonly chunk: Bytes }
  /** The end in order. */
  | { readonly kind: "end" }
  /** There is nobody at the other end. */
  | { readonly kind: "reset" }
  /** The last message of a handshake. */
  | { readonly kind: "open" };

/** How a pipe tells its surroundings. */
export interface PipeOptions {
  readonly clock: VirtualClock;
  readonly from: Host;
  readonly to: Host;
  /** The next segment has come. */
  readonly arrived: (segment: Segment) => void;
  /** The sender's system gave up. */
  readonly gaveUp: () => void;
}

interface InFlight {
  segment: Segment;
  readonly sentAt: number;
  readonly at: number;
}

/**
 * One direction of a connection: whole, in order, each segment after the way's
 * latency. While an end is not reachable it waits, as TCP does by repeating;
 * after 15 minutes the sender is told.
 */
export class Pipe {
  readonly #options: PipeOptions;
  #queue: InFlight[] = [];
  #planned: Planned | undefined;
  #stalled: Planned | undefined;
  /** Everything is dropped from now on, and nobody is told. */
  blackHole = false;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  push(segment: Segment): void {
    if (this.blackHole) return;
    const { clock, from, to } = this.#options;
    const last = this.#queue.at(-1);
    if (last?.sentAt === clock.now && joins(last, segment)) return;
    const earliest = Math.ceil(clock.now + oneWay(from, to));
    const at = Math.max(earliest, last?.at ?? 0);
    this.#queue.push({ segment, sentAt: clock.now, at });
    if (!this.#planned && !this.#stalled) this.#planNext();
  }

  /** What is on its way is lost. */
  clear(): void {
    this.#queue = [];
    this.#unplan();
  }

  /** Both ends are reachable again. */
  resume(): void {
    const { clock, from, to } = this.#options;
    if (!this.#stalled || !from.reachable || !to.reachable) return;
    clock.cancel(this.#stalled);
    this.#stalled = undefined;
    // The system repeats after a pause that grew.
    const pause = to.random.between(0, 2 * SECOND) + oneWay(from, to);
    this.#planned = clock.after(pause, () => this.#arrive());
  }

  #planNext(): void {
    const next = this.#queue[0];
    if (!next) return;
    const { clock } = this.#options;
    this.#planned = clock.at(next.at, () => this.#arrive());
  }

  #arrive(): void {
    this.#planned = undefined;
    const { clock, from, to, arrived } = this.#options;
    if (!from.reachable || !to.reachable) {
      this.#stalled = clock.after(GIVE_UP_MS, () => this.#giveUp());
      return;
    }
    const next = this.#queue.shift();
    this.#planNext();
    if (next) arrived(next.segment);
  }

  #giveUp(): void {
    this.clear();
    this.#options.gaveUp();
  }

  #unplan(): void {
    const { clock } = this.#options;
    if (this.#planned) clock.cancel(this.#planned);
    if (this.#stalled) clock.cancel(this.#stalled);
    this.#planned = this.#stalled = undefined;
  }
}

/** Frames of one turn travel together, as they do over real sockets. */
function joins(last: InFlight, segment: Segment): boolean {
  if (last.segment.kind !== "data" || segment.kind !== "data") return false;
  const chunk = concat(last.segment.chunk, segment.chunk);
  last.segment = { kind: "data", chunk };
  return true;
}

/** Time from one host to another, in milliseconds, now. */
export function oneWay(from: Host, to: Host): number {
  const base = from.latencyMs + to.latencyMs;
  return base * (0.9 + 0.2 * to.random.uniform());
}
