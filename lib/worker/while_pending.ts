import { backoffDelay } from "../base/backoff.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { DAY, formatDuration, MINUTE, SECOND, sleep } from "../base/time.ts";
import type { PendingResult } from "../rpc/schemas.ts";
import type { WorkerPorts } from "./ports.ts";

/** How long an operator's word is waited for; the manager forgets then, too. */
const PATIENCE_MS = DAY;
/** Bounds of the pause that a manager can ask for, in milliseconds. */
const MIN_PAUSE_MS = SECOND;
const MAX_PAUSE_MS = MINUTE;

/** What is asked for, and with which key. */
export interface PendingQuestion<T> {
  /** The answer that began it. */
  readonly first: PendingResult;
  /** SHA-256 of the key (SubjectPublicKeyInfo), lower-case hex. */
  readonly fingerprint: string;
  readonly signal: AbortSignal;
  ask(): Promise<T | PendingResult>;
}

/**
 * Asks until an operator has decided. Who waits stays through the restart of a
 * manager, which has written down who waits.
 *
 * @throws {SwarmdError} what `ask` throws; `timed-out` after a day
 */
export async function whilePending<T extends object>(
  ports: Pick<WorkerPorts, "clock" | "random" | "logger" | "event">,
  { first, fingerprint, signal, ask }: PendingQuestion<T>,
): Promise<T> {
  const { clock, random, logger, event } = ports;
  const end = clock.monotonic() + PATIENCE_MS;
  let pending = first;
  let failures = 0;
  event({ event: "pending", node: first.node, fingerprint });
  while (clock.monotonic() < end) {
    // Those that began in the same second are not to come in the same second.
    const pauseMs = failures === 0
      ? bounded(pending.retryMs) * (0.75 + random.uniform() / 2)
      : backoffDelay(failures, BACKOFF, random);
    await sleep(clock, pauseMs, signal);
    const answer = await askAgain(ask, logger);
    failures = answer ? 0 : failures + 1;
    if (!answer) continue;
    if (!isPending(answer)) return answer;
    if (answer.node !== pending.node) {
      event({ event: "pending", node: answer.node, fingerprint });
    }
    pending = answer;
  }
  throw impatient();
}

const BACKOFF = { baseMs: MIN_PAUSE_MS, maxMs: MAX_PAUSE_MS };

/** @returns `undefined` when it is to be asked again */
async function askAgain<T>(
  ask: () => Promise<T>,
  logger: Logger,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!mayPass(error)) throw error;
    logger.warn("Cannot ask whether this machine was accepted; asking again", {
      error: describeError(error),
    });
    return undefined;
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

function isPending(answer: object): answer is PendingResult {
  return "pending" in answer;
}

function bounded(ms: number): number {
  return Math.min(Math.max(ms, MIN_PAUSE_MS), MAX_PAUSE_MS);
}

function impatient(): SwarmdError {
  const waited = formatDuration(PATIENCE_MS);
  return new SwarmdError(
    "timed-out",
    `Cannot join: no operator has decided within ${waited}`,
    { verdict: "stop", hint: "Ask the operator, then join again" },
  );
}
