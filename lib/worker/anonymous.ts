import type { Clock } from "../base/time.ts";
import type { SwarmdError } from "../base/errors.ts";
import type { Connection } from "../rpc/connection.ts";
import type { Method, Result } from "../rpc/methods.ts";
import type { HelloParams, HelloResult } from "../rpc/schemas.ts";
import { ManagerConnection, type Question } from "./manager_connection.ts";

/** Version of the protocol that this worker speaks. */
export const PROTOCOL = 1;

/** What a call without a session is made with. */
export interface AnonymousOptions {
  readonly clock: Clock;
  /** Ends it, and whatever waits for an answer. */
  readonly signal: AbortSignal;
}

/** Asks one thing without a session: `hello`, one call, the end. */
export class AnonymousCall {
  readonly #connection: ManagerConnection;
  readonly #release: () => void;

  constructor(connection: Connection, { clock, signal }: AnonymousOptions) {
    const nothing = () => {};
    const events = {
      message: nothing,
      heartbeat: nothing,
      move: nothing,
      closed: nothing as (error: SwarmdError) => void,
    };
    this.#connection = new ManagerConnection(connection, { clock, events });
    const stop = () => this.close();
    signal.addEventListener("abort", stop, { once: true });
    this.#release = () => signal.removeEventListener("abort", stop);
    if (signal.aborted) stop();
  }

  async hello(
    version: string,
    prove?: NonNullable<HelloParams["prove"]>,
  ): Promise<HelloResult> {
    return await this.#connection.ask("hello", {
      params: {
        protocols: [PROTOCOL],
        version,
        features: [],
        ...(prove && { prove }),
      },
    });
  }

  async call<M extends Method>(
    method: M,
    question: Question<M>,
  ): Promise<Result<M>> {
    return await this.#connection.ask(method, question);
  }

  close(): void {
    this.#release();
    this.#connection.retire();
  }
}
