import { utf8 } from "../base/bytes.ts";

/** Where bytes go, such as `Deno.stderr`. May take only some of them. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Most bytes that wait for a slow reader before `post` drops: 1 MiB. */
const MAX_QUEUED_BYTES = 1 << 20;

/**
 * Writes texts to a stream, whole and in order, without ever holding up the
 * process: a stalled reader of a pipe would stop the event loop of a
 * synchronous writer, and with it every heartbeat.
 *
 * A reader that goes away (`| head`) has what it wanted: what follows is
 * discarded without an error.
 */
export class LineWriter {
  readonly #sink: ByteSink;
  #tail: Promise<void> = Promise.resolve();
  #queuedBytes = 0;
  #readerGone = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /**
   * Queues a text; nothing is dropped. For data, whose writer waits.
   *
   * @throws the sink's error, such as a full disk
   */
  write(text: string): Promise<void> {
    const bytes = utf8(text);
    this.#queuedBytes += bytes.length;
    const written = this.#tail.then(() => this.#writeAll(bytes)).finally(() => {
      this.#queuedBytes -= bytes.length;
    });
    // The error is the caller's; the texts behind it are still to be tried.
    this.#tail = written.catch(() => {});
    return written;
  }

  /**
   * Queues a text unless more than 1 MiB waits. For messages, whose writer goes
   * on; never throws.
   *
   * @returns false when the text was dropped
   */
  post(text: string): boolean {
    if (this.#queuedBytes > MAX_QUEUED_BYTES) return false;
    // There is nowhere left to say that standard error cannot be written.
    this.write(text).catch(() => {});
    return true;
  }

  /** Waits until everything queued is written, at most so many milliseconds. */
  async flush(timeoutMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, timeoutMs);
    await Promise.race([this.#tail, late.promise]);
    clearTimeout(timer);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length && !this.#readerGone) {
      try {
        at += await this.#sink.write(bytes.subarray(at));
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
        this.#readerGone = true;
      }
    }
  }
}
