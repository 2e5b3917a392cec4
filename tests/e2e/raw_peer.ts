import { type WaitOptions, within } from "./harness.ts";

/** A message of the protocol, as it lies in a frame. */
export type RawMessage = Readonly<Record<string, unknown>>;

/** Bytes both ways, whoever carries them. */
export interface RawStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Ends it at once; more than once does no harm. */
  close(): Promise<void>;
}

/** How a manager answered a question. */
export type RawAnswer =
  | { readonly kind: "result"; readonly result: RawMessage }
  | { readonly kind: "error"; readonly code: string; readonly text: string }
  /** The connection ended without an answer. */
  | { readonly kind: "cut" };

/**
 * Speaks `swarmd/1` by hand, as docs/protocol.md says it and with none of the
 * program's own code: 4 bytes of length, big-endian, then JSON.
 */
export class RawPeer implements AsyncDisposable {
  readonly #stream: RawStream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #messages: RawMessage[] = [];
  readonly #reading: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #ended = false;
  #received = "";
  #lastId = 0;
  #lastNumber = 0;

  constructor(stream: RawStream) {
    this.#stream = stream;
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(() => {}); // told by what is read
    this.#reading = this.#read();
  }

  /** Every byte that came, as text. */
  get received(): string {
    return this.#received;
  }

  /** Sends any bytes at all; those that cannot be sent any more are dropped. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes).catch(() => {});
  }

  async send(message: RawMessage): Promise<void> {
    await this.sendBytes(frameOf({ jsonrpc: "2.0", ...message }));
  }

  /** The next message; `undefined` when the connection has ended. */
  async next(): Promise<RawMessage | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message || this.#ended) return message;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }

  /** Waits for the end, whatever else comes. */
  async ended(options: WaitOptions = {}): Promise<void> {
    await within("the end of a connection", this.#reading, options);
  }

  /** The number of the newest session message that came. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** Asks, and takes the answer; what else comes meanwhile is dropped. */
  async ask(
    method: string,
    params: RawMessage,
    { n }: { readonly n?: number } = {},
  ): Promise<RawAnswer> {
    const id = ++this.#lastId;
    await this.send({ id, method, params, ...(n !== undefined && { n }) });
    return await within(`an answer to ${method}`, this.#answer(id));
  }

  async hello(more: RawMessage = {}): Promise<RawAnswer> {
    const own = { protocols: [1], version: "0.0.0", features: [] };
    return await this.ask("hello", { ...own, ...more });
  }

  /** Says no more; the other side may. */
  async finish(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream.close();
    await this.#writer.abort().catch(() => {});
    await this.#reading;
  }

  async #answer(id: number): Promise<RawAnswer> {
    for (;;) {
      const message = await this.next();
      if (!message) return { kind: "cut" };
      if (message["method"] === "close") return errorOf(message["params"]);
      if (message["id"] !== id) continue;
      if ("error" in message) return errorOf(message["error"]);
      return { kind: "result", result: message["result"] as RawMessage };
    }
  }

  async #read(): Promise<void> {
    let rest: Uint8Array = new Uint8Array();
    try {
      for await (const chunk of this.#stream.readable) {
        rest = this.#take(new Uint8Array([...rest, ...chunk]));
        this.#wake.resolve();
      }
    } catch {
      // A connection that was cut has ended too.
    } finally {
      this.#ended = true;
      this.#wake.resolve();
    }
  }

  #take(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (bytes.length - at >= 4) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at);
      const end = at + 4 + view.getUint32(0);
      if (bytes.length < end) break;
      const text = new TextDecoder().decode(bytes.subarray(at + 4, end));
      this.#received += `${text}\n`;
      const message: RawMessage = JSON.parse(text);
      const n = message["n"];
      if (typeof n === "number") this.#lastNumber = n;
      this.#messages.push(message);
      at = end;
    }
    return bytes.slice(at);
  }
}

/** A frame with a JSON value. */
export function frameOf(value: unknown): Uint8Array {
  return frameOfBytes(new TextEncoder().encode(JSON.stringify(value)));
}

/** A frame with any payload; it may claim another length. */
export function frameOfBytes(
  payload: Uint8Array,
  length = payload.length,
): Uint8Array {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, length);
  frame.set(payload, 4);
  return frame;
}

/** An id as the protocol has them: 25 characters of base 36. */
export function anyId(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(25)),
    (byte) => (byte % 36).toString(36),
  ).join("");
}

/** A new session, as a `hello` asks for it. */
export function newSession(): RawMessage {
  const session = { id: anyId(), lastSeen: 0, resume: false };
  return { session: { ...session, instance: anyId() } };
}

function errorOf(value: unknown): RawAnswer {
  const { code, message, data } = value as RawMessage;
  const name = (data as RawMessage | undefined)?.["code"] ?? code;
  return { kind: "error", code: String(name), text: String(message) };
}
