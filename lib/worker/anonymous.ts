import type { Clock } from "../base/time.ts";
import type { SwarmdError } from "../base/errors.ts";
import type { Connection } from "../rpc/connection.ts";
import type { Method, Params, Result } from "../rpc/methods.ts";
import type { HelloParams, HelloResult } from "../rpc/schemas.ts";
import { ManagerConnection } from "./manager_connection.ts";

/** Version of the protocol that this worker speaks. */
export const PROTOCOL = 1;

/** Asks one thing without a session: `hello`, one call, the end. */
export class AnonymousCall {
  readonly #connection: ManagerConnection;

  constructor(connection: Connection, clock: Clock) {
    const nothing = () => {};
    const events = {
      message: nothing,
      heartbeat: nothing,
      move: nothing,
      closed: nothing as (error: SwarmdError) => void,
    };
    this.#connection = new ManagerConnection(connection, { clock, events });
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
    params: Params<M>,
  ): Promise<Result<M>> {
    return await this.#connection.ask(method, { params });
  }

  close(): void {
    this.#connection.retire();
  }
}
