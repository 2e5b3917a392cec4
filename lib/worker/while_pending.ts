import { backoffDelay } from "../base/backoff.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { DAY, formatDuration, MINUTE, SECOND, sleep } from "../base/time.ts";
import type { WorkerPorts } from "./ports.ts";

/** How long an operator's word is waited for; the manager forgets then, too. */
const PATIENCE_MS = DAY;
/**
 * Between two questions, in milliseconds: all who waited at a manager lose it in
 * the same moment, and each comes back with two handshakes.
 */
const BACKOFF = { baseMs: 5 * SECOND, maxMs: MINUTE };
/** A question that stayed open for so long begins the backoff anew. */
const LONG_MS = MINUTE;

type Ports = Pick<WorkerPorts, "clock" | "random" | "logger" | "event">;

/** What goes with a question whose answer an operator may have to give. */
export interface Wait {
  /** Ends the question: nobody wants it any more, or it took too long. */
  readonly signal: AbortSignal;
  /** To be called whenever a manager says that an operator decides. */
  readonly pending: (told: Pending) => void;
}

/** As whom, and with which key, an operator's word is waited for. */
export interface Pending {
  /** Id that the node will have. */
  readonly node: string;
  /** SHA-256 of the key (SubjectPublicKeyInfo), lower-case hex. */
  readonly fingerprint: string;
}

/** What is asked for. */
export interface PendingQuestion<T> {
  readonly signal: AbortSignal;
  /** Asks, and has the question open until it is answered. */
  ask(wait: Wait): Promise<T>;
}

/**
 * Asks until an operator has decided, again where the connection was lost. Who
 * waits stays through the restart of a manager, which has written down who does.
 *
 * @throws {SwarmdError} what `ask` throws; `timed-out` after a day
 */
export async function whilePending<T>(
  ports: Ports,
  { signal, ask }: PendingQuestion<T>,
): Promise<T> {
  const { clock, random, logger } = ports;
  const patience = new Patience(ports, signal);
  const question = async () => ({ answer: await ask(patience) });
  try {
    for (let failures = 0;;) {
      const askedAt = clock.monotonic();
      const answered = await question()
        .catch((error) => goOn(error, { patience, logger }));
      if (answered) return answered.answer;
      const lastedMs = clock.monotonic() - askedAt;
      failures = lastedMs >= LONG_MS ? 1 : failures + 1;
      const pauseMs = backoffDelay(failures, BACKOFF, random);
      await sleep(clock, pauseMs, patience.signal);
    }
  } finally {
    patience.end();
  }
}

/** @throws why it is not to be asked again */
function goOn(
  error: unknown,
  { patience, logger }: {
    readonly patience: Patience;
    readonly logger: Logger;
  },
): void {
  patience.signal.throwIfAborted();
  if (!patience.isWaiting || !mayPass(error)) throw error;
  logger.warn("Lost the manager that this machine waits at; asking again", {
    error: describeError(error),
  });
}

/** It begins with the first word of a manager, over however many connections. */
class Patience implements Wait {
  readonly signal: AbortSignal;
  readonly pending = (told: Pending) => this.#told(told);
  readonly #ports: Ports;
  readonly #over = new AbortController();
  #node: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(ports: Ports, outer: AbortSignal) {
    this.#ports = ports;
    this.signal = AbortSignal.any([outer, this.#over.signal]);
  }

  /** Whether it has a place in a queue. */
  get isWaiting(): boolean {
    return this.#node !== undefined;
  }

  end(): void {
    this.#cancel?.();
  }

  #told({ node, fingerprint }: Pending): void {
    const { clock, event } = this.#ports;
    this.#cancel ??= clock.schedule(
      PATIENCE_MS,
      () => this.#over.abort(impatient()),
    );
    if (this.#node === node) return;
    this.#node = node;
    event({ event: "pending", node, fingerprint });
  }
}

/** What the restart of a manager, or a bad line, can look like. */
function mayPass(error: unknown): boolean {
  return error instanceof SwarmdError && error.verdict === "retry" && hasCode(
    error,
    "unreachable",
    "timed-out",
    "tls",
    "too-busy",
    "session-ended",
    "signer-unavailable",
  );
}

function impatient(): SwarmdError {
  const waited = formatDuration(PATIENCE_MS);
  return new SwarmdError(
    "timed-out",
    `Cannot join: no operator has decided within ${waited}`,
    { verdict: "stop", hint: "Ask the operator, then join again" },
  );
}
