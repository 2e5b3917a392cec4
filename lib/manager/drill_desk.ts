import { newId, type Random } from "../base/random.ts";
import { type Clock, sleep } from "../base/time.ts";
import {
  DRILL_PERIOD_MS,
  DrillReader,
  type DrillReading,
} from "../cluster/drill.ts";
import type { DrillParams } from "../rpc/schemas.ts";
import type { NodeSession } from "./node_session.ts";

/** Both directions of one worker's drill traffic. */
export interface DrillReport {
  readonly node: string;
  /** Numbers that this manager wrote to it. */
  readonly written: number;
  /** What this manager read of the worker's numbers. */
  readonly read: DrillReading;
  /** Highest number that the worker wrote. */
  readonly theirWritten: number;
  /** What the worker last said to have read of this manager's numbers. */
  readonly theirRead: DrillReading | undefined;
  /** Whether the worker has written its last number, and the counts are final. */
  readonly ended: boolean;
}

interface Line {
  readonly reader: DrillReader;
  readonly stream: string;
  written: number;
  theirWritten: number;
  theirRead: DrillReading | undefined;
  /** Whether the last number was written to it. */
  toldEnd: boolean;
  ended: boolean;
}

/**
 * The application of a drill cluster: it writes numbers into every session
 * and reads the workers' numbers, above everything that it is to test.
 */
export class DrillDesk {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lines = new Map<string, Line>();
  #ending = false;

  constructor(parts: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  read(session: NodeSession, params: DrillParams): void {
    const line = this.#line(session.nodeId);
    line.reader.read(params, this.#clock.monotonic());
    line.theirWritten = Math.max(line.theirWritten, params.number);
    line.theirRead = params.read;
    if (params.last) line.ended = true;
  }

  /**
   * Each worker is written one more number, marked as the last, and answers it
   * with its own last one: what did not come by then never will.
   */
  end(): void {
    this.#ending = true;
  }

  /** Writes the next number into every session, each period, until the end. */
  async run(
    sessions: Iterable<NodeSession>,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      await sleep(this.#clock, DRILL_PERIOD_MS, signal);
      for (const session of sessions) {
        if (session.roomy) this.#write(session);
      }
    }
  }

  get reports(): DrillReport[] {
    return [...this.#lines].map(([node, line]) => ({
      node,
      written: line.written,
      read: line.reader.reading,
      theirWritten: line.theirWritten,
      theirRead: line.theirRead,
      ended: line.ended,
    }));
  }

  #write(session: NodeSession): void {
    const line = this.#line(session.nodeId);
    if (line.toldEnd) return;
    line.toldEnd = this.#ending;
    const { stream, reader: { reading: read } } = line;
    session.push("drill.number", {
      ...{ stream, number: ++line.written, read },
      ...(line.toldEnd && { last: true }),
    });
  }

  #line(nodeId: string): Line {
    const known = this.#lines.get(nodeId);
    if (known) return known;
    const line: Line = {
      reader: new DrillReader(),
      stream: newId(this.#random),
      written: 0,
      theirWritten: 0,
      theirRead: undefined,
      toldEnd: false,
      ended: false,
    };
    this.#lines.set(nodeId, line);
    return line;
  }
}
