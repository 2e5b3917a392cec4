import type { Bytes } from "../base/bytes.ts";
import { encodeMessage, type Message } from "./message.ts";

/** How much may be on its way to a peer that has not acknowledged it. */
export interface Window {
  /** In messages. */
  readonly unackedMessages: number;
  /** In bytes on the wire; a single larger message goes alone. */
  readonly unackedBytes: number;
}

/** A held message; a list of them costs nothing while it is empty. */
interface Entry {
  readonly n: number;
  readonly bytes: Bytes;
  next: Entry | undefined;
}

/**
 * What a held message costs beside its bytes: 248 of heap, and about as much
 * for its array buffer (measured, by resident memory of a million), so that a
 * bound on memory also holds for many small messages.
 */
const ENTRY_OVERHEAD = 512;

/**
 * The sending half of a session: numbers messages from 1, holds each as bytes
 * until it is acknowledged, and says which may be written now.
 *
 * ```text
 * acked < (on the wire: the window) ≤ written here < (waiting) ≤ numbered
 * ```
 */
export class Outbox {
  #window: Window;
  #numbered = 0;
  #written = 0;
  #acked = 0;
  #bytes = 0;
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  /** First entry that was not written on the present wire. */
  #next: Entry | undefined;
  #flightMessages = 0;
  #flightBytes = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  /** Highest number ever given out by {@linkcode take}. */
  get written(): number {
    return this.#written;
  }

  /** Highest number acknowledged. */
  get acked(): number {
    return this.#acked;
  }

  /** Memory held, in bytes. */
  get heldBytes(): number {
    return this.#bytes + (this.#numbered - this.#acked) * ENTRY_OVERHEAD;
  }

  /** Memory held by messages outside the window, in bytes. */
  get waitingBytes(): number {
    return this.heldBytes - this.#flightBytes -
      this.#flightMessages * ENTRY_OVERHEAD;
  }

  /** Whether everything held is inside the window, and more would be. */
  get roomy(): boolean {
    return this.#numbered - this.#acked < this.#window.unackedMessages &&
      this.#bytes < this.#window.unackedBytes;
  }

  /** @throws what {@linkcode encodeMessage} throws; then nothing changed */
  add(message: Message): void {
    const n = this.#numbered + 1;
    const bytes = encodeMessage({ ...message, n });
    const entry: Entry = { n, bytes, next: undefined };
    if (this.#newest) this.#newest.next = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    this.#next ??= entry;
    this.#numbered = n;
    this.#bytes += bytes.length;
  }

  /** The next message that the window lets through, to be written at once. */
  take(): Bytes | undefined {
    const entry = this.#next;
    if (!entry || !this.#fits(entry)) return undefined;
    this.#next = entry.next;
    this.#written = Math.max(this.#written, entry.n);
    this.#flightMessages += 1;
    this.#flightBytes += entry.bytes.length;
    return entry.bytes;
  }

  /** There is no wire, or a new one: all that is held is to be taken again. */
  rewind(): void {
    this.#next = this.#oldest;
    this.#flightMessages = this.#flightBytes = 0;
  }

  /** Drops messages up to a number, at most {@linkcode written}. */
  acknowledge(seen: number): void {
    while (this.#oldest && this.#oldest.n <= seen) this.#drop(this.#oldest);
    this.#acked = Math.max(this.#acked, seen);
  }

  /** Drops everything; nothing is added afterwards. */
  clear(): void {
    this.#oldest = this.#newest = this.#next = undefined;
    this.#acked = this.#numbered;
    this.#bytes = this.#flightMessages = this.#flightBytes = 0;
  }

  #fits(entry: Entry): boolean {
    const { unackedMessages, unackedBytes } = this.#window;
    if (this.#flightMessages === 0) return true;
    return this.#flightMessages < unackedMessages &&
      this.#flightBytes + entry.bytes.length <= unackedBytes;
  }

  #drop(entry: Entry): void {
    this.#oldest = entry.next;
    if (!this.#oldest) this.#newest = undefined;
    this.#bytes -= entry.bytes.length;
    if (this.#next === entry) {
      this.#next = entry.next;
    } else {
      this.#flightMessages -= 1;
      this.#flightBytes -= entry.bytes.length;
    }
  }
}
