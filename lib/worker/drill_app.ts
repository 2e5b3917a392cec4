import { newId, type Random } from "../base/random.ts";
import { type Clock, sleep } from "../base/time.ts";
import { DRILL_PERIOD_MS, DrillReader } from "../cluster/drill.ts";
import { drillParams } from "../rpc/schemas.ts";
import { parseAs } from "../rpc/methods.ts";
import type { WorkerSession } from "./worker_session.ts";

/**
 * The application of a drill on the worker's side: it writes numbers into the
 * session and reads the manager's, and tells it what it has read.
 */
export class DrillApp {
  readonly #clock: Clock;
  readonly #stream: string;
  readonly #reader = new DrillReader();
  /** Resolved when the manager writes: this is a drill cluster. */
  readonly #started = Promise.withResolvers<void>();
  #written = 0;
  /** Whether the manager has written its last number. */
  #ending = false;
  #ended = false;

  constructor(parts: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = parts.clock;
    this.#stream = newId(parts.random);
  }

  read(params: unknown): void {
    const written = parseAs(drillParams, {
      value: params,
      what: "drill.number",
    });
    this.#reader.read(written, this.#clock.monotonic());
    if (written.last) this.#ending = true;
    this.#started.resolve();
  }

  /**
   * Writes each period while there is a session, once the manager has. After
   * the manager's last number comes one more, which says what was read in all.
   */
  async run(
    session: () => WorkerSession | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = () => this.#started.resolve();
    signal.addEventListener("abort", stop, { once: true });
    await this.#started.promise;
    signal.removeEventListener("abort", stop);
    for (;;) {
      await sleep(this.#clock, DRILL_PERIOD_MS, signal);
      const open = session();
      if (!this.#ended && open?.opened && open.roomy) this.#write(open);
    }
  }

  #write(session: WorkerSession): void {
    const number = ++this.#written;
    const { reading: read } = this.#reader;
    this.#ended = this.#ending;
    session.notify("drill.number", {
      ...{ stream: this.#stream, number, read },
      ...(this.#ended && { last: true }),
    });
  }
}
