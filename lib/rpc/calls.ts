import { describeError, SwarmdError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { type Clock, SECOND } from "../base/time.ts";
import type {
  Failure,
  Message,
  Notification,
  Request,
  Success,
} from "./message.ts";
import { errorFromWire, errorToWire } from "./wire_error.ts";

/** What calls need from their surroundings. */
export interface CallsOptions {
  readonly clock: Clock;
  /** Sends a message, in order. */
  readonly send: (message: Message) => void;
  /** Answers a request of the peer; what it throws travels as an error. */
  readonly serve: (
    request: { readonly method: string; readonly params: unknown },
  ) => unknown;
  /** Takes a notification of the peer; what it throws is logged. */
  readonly notified: (method: string, params: unknown) => void;
  /** How many requests of the peer may run at once; default: 64. */
  readonly maxServing?: number;
  readonly logger?: Logger;
}

/** How long a call waits for its answer. */
export interface CallOptions {
  /** In milliseconds; default: 30 s. */
  readonly timeoutMs?: number;
  /** Gives up early. The peer is not told, and may do what was asked. */
  readonly signal?: AbortSignal;
}

interface PendingCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Lets go of timer and signal. */
  readonly release: () => void;
}

const DEFAULT_TIMEOUT_MS = 30 * SECOND;
const DEFAULT_MAX_SERVING = 64;

/** Requests and answers, both ways, over anything that carries messages. */
export class Calls {
  #options: CallsOptions;
  #logger: Logger;
  #pending = new Map<number, PendingCall>();
  #lastId = 0;
  #serving = 0;
  #ignored = 0;
  #error: SwarmdError | undefined;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Own calls that wait for their answers. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Answers that came too late, or to nothing. */
  get ignored(): number {
    return this.#ignored;
  }

  /**
   * Asks the peer.
   *
   * @throws {SwarmdError} the peer's error, `timed-out`, `bad-message` when the
   * request cannot be written, or the error that ended it all
   * @throws the signal's reason
   */
  call(
    method: string,
    params: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    if (this.#error) return Promise.reject(this.#error);
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const id = ++this.#lastId;
    const answer = this.#expect({ id, method }, options);
    try {
      this.#options.send({ id, method, params });
    } catch (error) {
      this.#take(id)?.reject(error);
    }
    return answer;
  }

  /** Tells the peer. Does nothing after the end. */
  notify(method: string, params: unknown): void {
    if (!this.#error) this.#options.send({ method, params });
  }

  /** Takes a message of the peer. Does nothing after the end. */
  receive(message: Message): void {
    if (this.#error) return;
    if (!("method" in message)) this.#settle(message);
    else if ("id" in message) void this.#serve(message);
    else this.#notified(message);
  }

  /** Ends it: all that waits fails with this error, and all that comes later. */
  end(error: SwarmdError): void {
    if (this.#error) return;
    this.#error = error;
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(error);
  }

  #expect(
    call: { id: number; method: string },
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions,
  ): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const abort = () => this.#take(call.id)?.reject(signal?.reason);
    const cancel = this.#options.clock.schedule(
      timeoutMs,
      () => this.#take(call.id)?.reject(timedOut(call.method, timeoutMs)),
    );
    const release = () => {
      cancel();
      signal?.removeEventListener("abort", abort);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#pending.set(call.id, { resolve, reject, release });
    return promise;
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    call?.release();
    return call;
  }

  #settle(answer: Success | Failure): void {
    const call = this.#take(answer.id);
    if (!call) {
      this.#ignored += 1;
      this.#logger.debug("Answer ignored: nobody waits", { id: answer.id });
    } else if ("error" in answer) call.reject(errorFromWire(answer));
    else call.resolve(answer.result);
  }

  #notified({ method, params }: Notification): void {
    try {
      this.#options.notified(method, params);
    } catch (error) {
      this.#log("Notification failed", { method, error });
    }
  }

  async #serve({ id, method, params }: Request): Promise<void> {
    const { maxServing = DEFAULT_MAX_SERVING, serve } = this.#options;
    if (this.#serving >= maxServing) return this.#fail(id, tooBusy(maxServing));
    this.#serving += 1;
    try {
      this.#answer(id, await serve({ method, params }));
    } catch (error) {
      if (!(error instanceof SwarmdError)) {
        this.#log("Request failed", { method, error });
      }
      this.#fail(id, error);
    } finally {
      this.#serving -= 1;
    }
  }

  /** A result that cannot be written is a mistake of ours, not of the peer. */
  #answer(id: number, result: unknown): void {
    if (this.#error) return;
    try {
      this.#options.send({ id, result });
    } catch (cause) {
      throw new TypeError("Result cannot be sent", { cause });
    }
  }

  #fail(id: number, cause: unknown): void {
    if (this.#error) return;
    const error = errorToWire(cause, this.#options.clock.now());
    this.#options.send({ id, error });
  }

  #log(text: string, what: { method: string; error: unknown }): void {
    const { method, error } = what;
    this.#logger.error(text, { method, error: describeError(error) });
  }
}

function timedOut(method: string, timeoutMs: number): SwarmdError {
  return new SwarmdError(
    "timed-out",
    `Cannot get an answer to ${method}: none came within ${timeoutMs} ms`,
  );
}

function tooBusy(maxServing: number): SwarmdError {
  return new SwarmdError(
    "too-busy",
    `Cannot serve another request: ${maxServing} are running, want fewer`,
  );
}
