import type { LocalAnswer, LocalRequest } from "../rpc/local_answer.ts";
import type { Daemon } from "./daemon.ts";

type Answer = (request: LocalRequest) => Promise<LocalAnswer>;

/**
 * The socket of a manager's operators: first of one that is locked, then of the
 * same one unlocked. It stays the same socket, so that nobody finds it gone in
 * between.
 */
export class OperatorDesk implements AsyncDisposable {
  readonly #daemon: Daemon;
  #server: AsyncDisposable | undefined;
  #handOver: ((answer: Answer) => void) | undefined;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  /**
   * From now on this answers.
   *
   * @param options `handOver`: is told who answers after this one
   */
  async serve(
    answer: Answer,
    options: { readonly handOver?: (answer: Answer) => void } = {},
  ): Promise<void> {
    if (this.#handOver) this.#handOver(answer);
    else this.#server = await this.#daemon.serveOperators(answer);
    this.#handOver = options.handOver;
  }

  /** Nobody answers any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.[Symbol.asyncDispose]();
  }
}
