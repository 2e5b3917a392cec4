import { type Bytes, concat } from "../base/bytes.ts";
import {
  type ConnectionOptions,
  FramedConnection,
} from "./framed_connection.ts";

/** Bytes that one read takes at most: a TLS record. */
const READ_BYTES = 16 * 1024;
/** Bytes of frames that are joined into one write. */
const WRITE_BYTES = 64 * 1024;

/** {@linkcode FramedConnection} over a TLS connection of Deno's own. */
export class DenoConnection extends FramedConnection {
  readonly #tls: Deno.TlsConn;
  #queue: Bytes[] = [];
  #queuedBytes = 0;
  #writing = false;
  #finishing = false;
  #readDone = false;
  #writeDone = false;

  constructor(tls: Deno.TlsConn, options: ConnectionOptions) {
    super(options);
    this.#tls = tls;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  protected transmit(frame: Bytes): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (!this.#writing) void this.#write();
  }

  protected finish(): void {
    this.#finishing = true;
    if (!this.#writing) void this.#write();
  }

  protected abort(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#tls.close();
  }

  protected override resume(): void {
    void this.#read();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      while (!this.isClosed && !this.#readDone) {
        const length = await this.#tls.read(buffer);
        if (length === null) this.#readDone = true;
        else this.received(buffer.subarray(0, length));
      }
    } catch (error) {
      return this.failed(error);
    }
    this.close();
    this.#settle();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      // Frames of one turn travel together: this socket cannot turn Nagle's
      // algorithm off, and a second small write would wait for the peer's ACK.
      await Promise.resolve();
      while (this.#queue.length > 0) await this.#writeAll(this.#take());
      if (this.#finishing && !this.isClosed) {
        await this.#tls.closeWrite();
        this.#writeDone = true;
      }
    } catch (error) {
      this.failed(error);
    }
    this.#writing = false;
    this.#settle();
  }

  /** The next frames, at least one. */
  #take(): Bytes {
    let count = 0;
    let bytes = 0;
    for (const frame of this.#queue) {
      if (count > 0 && bytes + frame.length > WRITE_BYTES) break;
      count += 1;
      bytes += frame.length;
    }
    return concat(...this.#queue.splice(0, count));
  }

  async #writeAll(bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const written = await this.#tls.write(bytes.subarray(at));
      if (this.isClosed) return;
      this.#queuedBytes -= written;
      at += written;
    }
  }

  #settle(): void {
    if (this.#readDone && this.#writeDone) this.ended();
  }
}
