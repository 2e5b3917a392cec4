import type { SwarmdError } from "../base/errors.ts";
import { SwarmdError as SwarmdFailure } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../base/time.ts";
import { Calls } from "../rpc/calls.ts";
import type { WireMessage } from "../rpc/message.ts";
import { SessionChannel, type Wire } from "../rpc/session_channel.ts";

/** What a session is opened with. */
export interface WorkerSessionOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A push of the manager, in order. */
  readonly pushed: (method: string, params: unknown) => void;
  readonly ended: (session: WorkerSession, error: SwarmdError) => void;
}

/** The worker's side of a session: it outlives its connections. */
export class WorkerSession {
  readonly id: string;
  readonly #channel: SessionChannel;
  readonly #calls: Calls;
  #opened = false;

  constructor(options: WorkerSessionOptions) {
    const { id, clock, logger, pushed, ended } = options;
    this.id = id;
    this.#calls = new Calls({
      clock,
      logger,
      send: (message) => this.#channel.send(message),
      serve: ({ method }) => {
        throw new SwarmdFailure("unknown-method", `Cannot serve "${method}"`);
      },
      notified: pushed,
    });
    this.#channel = new SessionChannel({
      clock,
      deliver: (message) => this.#calls.receive(message),
      ended: (error) => {
        this.#calls.end(error);
        ended(this, error);
      },
    });
  }

  /** Whether a manager ever confirmed it. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Whether another message would not have to wait. */
  get roomy(): boolean {
    return this.#channel.roomy;
  }

  get lastSeen(): number {
    return this.#channel.lastSeen;
  }

  /** @throws {SwarmdError} `session-ended` when the numbers cannot be */
  attach(wire: Wire, peerLastSeen: number): void {
    this.#channel.attach(wire, peerLastSeen);
    this.#opened = true;
  }

  detach(wire: Wire): void {
    this.#channel.detach(wire);
  }

  receive(wire: Wire, message: WireMessage): void {
    this.#channel.receive(wire, message);
  }

  async call(
    method: string,
    params: unknown,
    signal: AbortSignal,
  ): Promise<unknown> {
    return await this.#calls.call(method, params, { signal });
  }

  notify(method: string, params: unknown): void {
    this.#calls.notify(method, params);
  }

  end(error: SwarmdError): void {
    this.#channel.end(error);
  }
}
