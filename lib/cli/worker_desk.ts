import type { JoiningStatus } from "../cluster/local_api.ts";
import { systemClock } from "../net/system.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import type { LocalAnswer, LocalRequest } from "../rpc/local_answer.ts";
import { answerOperator, answerWhileJoining } from "../worker/local_api.ts";
import type { Worker } from "../worker/worker.ts";
import type { Daemon } from "./daemon.ts";
import type { RunEvent } from "./events.ts";
import type { WorkerOptions } from "./options.ts";
import { VERSION } from "./version.ts";

/**
 * The socket of a worker's operators, from its start on: who joins may wait for
 * a day. What it takes is loaded while the network is waited for.
 */
export class WorkerDesk implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #serving: Promise<AsyncDisposable>;
  #joining: JoiningStatus;
  #worker: Worker | undefined;

  constructor(daemon: Daemon, { join, host }: WorkerOptions) {
    this.#daemon = daemon;
    this.#joining = {
      role: "worker",
      state: "joining",
      since: new Date(host.now()).toISOString(),
      version: VERSION,
      managers: join?.managers.map(formatEndpoint) ?? [],
    };
    this.#serving = daemon.serveOperators((asked) => this.#answer(asked));
    this.#serving.catch(() => {}); // told by `answerFor`
  }

  /** Tells what happened, and keeps of it what operators ask for. */
  event(event: RunEvent): void {
    if (event.event === "pending") {
      const { node, fingerprint } = event;
      this.#joining = { ...this.#joining, pending: { node, fingerprint } };
    }
    this.#daemon.event(event);
  }

  /**
   * There is a node. It can be asked when this resolves: whoever hears of its
   * session may do so at once.
   *
   * @throws {SwarmdError} `locked-directory` or `disk`: it cannot be asked
   */
  async answerFor(worker: Worker): Promise<void> {
    this.#worker = worker;
    await this.#serving;
  }

  async #answer(asked: LocalRequest): Promise<LocalAnswer> {
    const worker = this.#worker;
    if (!worker) return await answerWhileJoining(asked, this.#joining);
    const parts = { worker, clock: systemClock, version: VERSION };
    return await answerOperator(asked, parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that could not be served is no reason to fail once more.
    const server = await this.#serving.catch(() => undefined);
    await server?.[Symbol.asyncDispose]();
  }
}
