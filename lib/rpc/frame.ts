import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";

const HEADER_BYTES = 4;
/** What a frame's buffer starts with, in bytes, however long it claims to be. */
const FIRST_BUFFER = 4 * 1024;

/**
 * One frame: the payload's length as 4 bytes, big-endian, then the payload.
 *
 * @throws {RangeError} when the payload is empty or its length does not fit
 */
export function encodeFrame(payload: Bytes): Bytes {
  if (payload.length === 0 || payload.length > 0xffff_ffff) {
    throw new RangeError(
      `Cannot frame ${payload.length} bytes: want 1 to ${0xffff_ffff}`,
    );
  }
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/**
 * Takes frames out of a stream, however it was cut into chunks.
 *
 * A length is checked against the limit before anything else happens, and the
 * buffer follows what really came: whoever announces a megabyte and sends ten
 * bytes holds 4 KiB. Each byte is copied a bounded number of times.
 */
export class FrameDecoder {
  #limit: number;
  #headerBytes = 0;
  #length = 0;
  #buffer: Bytes | undefined;
  #filled = 0;
  #failure: SwarmdError | undefined;

  /** @param maxFrame longest payload, in bytes */
  constructor(maxFrame: number) {
    this.#limit = maxFrame;
  }

  /** Longest payload from now on, in bytes; a frame that has begun goes on. */
  set limit(maxFrame: number) {
    this.#limit = maxFrame;
  }

  /**
   * The payloads that are complete with this chunk, as copies: the chunk may
   * be used again. Frames of a chunk that fails are not returned; who sent
   * them sent nonsense next.
   *
   * @throws {SwarmdError} `bad-frame` on a length of zero or above the limit;
   * then at every later call too
   */
  push(chunk: Uint8Array): Bytes[] {
    if (this.#failure) throw this.#failure;
    const payloads: Bytes[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerBytes < HEADER_BYTES) {
        this.#readHeader(chunk[at++] ?? 0);
        continue;
      }
      const end = Math.min(chunk.length, at + this.#length - this.#filled);
      const payload = this.#readPayload(chunk, { start: at, end });
      if (payload) payloads.push(payload);
      at = end;
    }
    return payloads;
  }

  #readHeader(byte: number): void {
    this.#length = this.#length * 256 + byte;
    this.#headerBytes += 1;
    if (this.#headerBytes < HEADER_BYTES) return;
    if (this.#length >= 1 && this.#length <= this.#limit) return;
    this.#buffer = undefined;
    this.#failure = new SwarmdError(
      "bad-frame",
      `Cannot read frame: found a length of ${this.#length} bytes, want 1 to ${this.#limit}`,
    );
    throw this.#failure;
  }

  #readPayload(
    chunk: Uint8Array,
    part: { start: number; end: number },
  ): Bytes | undefined {
    const filled = this.#filled + part.end - part.start;
    let payload: Bytes;
    if (this.#filled === 0 && filled === this.#length) {
      payload = new Uint8Array(chunk.subarray(part.start, part.end));
    } else {
      payload = this.#reserve(filled);
      payload.set(chunk.subarray(part.start, part.end), this.#filled);
      this.#filled = filled;
      if (filled < this.#length) return undefined;
    }
    this.#headerBytes = this.#length = this.#filled = 0;
    this.#buffer = undefined;
    return payload;
  }

  /** Doubles, so that a frame in single bytes is not copied for each of them. */
  #reserve(needed: number): Bytes {
    const old = this.#buffer;
    if (old && old.length >= needed) return old;
    const doubled = Math.max(needed, 2 * (old?.length ?? 0), FIRST_BUFFER);
    const grown = new Uint8Array(Math.min(this.#length, doubled));
    if (old) grown.set(old.subarray(0, this.#filled));
    this.#buffer = grown;
    return grown;
  }
}
