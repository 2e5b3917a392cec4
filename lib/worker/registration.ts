import { MINUTE } from "../base/time.ts";
import { problemText } from "../cluster/problem.ts";
import { formatName } from "../pki/names.ts";
import type { RegisterParams } from "../rpc/schemas.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";

/** Shortest time between two tellings of another problem, in milliseconds. */
const TELL_AGAIN_MS = MINUTE;

/** What a registration works with. */
export interface RegistrationParts
  extends Pick<WorkerPorts, "clock" | "machine" | "version"> {
  /** Sends it in the session, if there is one. */
  tell(params: RegisterParams): void;
}

/**
 * What a node says of itself: in each new session, under each new identity,
 * and when its renewals begin to fail or no longer do, so that its manager can
 * name the reason.
 */
export class Registration {
  readonly #parts: RegistrationParts;
  /** The identity that the manager was last told of. */
  #registered: HeldIdentity | undefined;
  #problem: string | undefined;
  /** Monotonic clock when the problem was told, in milliseconds. */
  #toldAt = -Infinity;

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
  }

  /** A session lives on a connection that was made with this identity. */
  established(used: HeldIdentity, isFresh: boolean): void {
    if (!isFresh && used === this.#registered) return;
    this.#registered = used;
    this.#tell();
  }

  /** What the last try failed with; `undefined`: it did not fail. */
  troubled(cause: unknown): void {
    const before = this.#problem;
    const problem = cause === undefined ? undefined : problemText(cause);
    if (problem === before) return;
    const { clock } = this.#parts;
    // Who is tried for each second may fail in another way each time.
    const isOther = problem !== undefined && before !== undefined;
    const now = clock.monotonic();
    if (isOther && now - this.#toldAt < TELL_AGAIN_MS) return;
    this.#problem = problem;
    this.#toldAt = now;
    this.#tell();
  }

  #tell(): void {
    const used = this.#registered;
    if (!used) return; // the first session tells it
    const { machine: { hostname, os, arch }, version, clock } = this.#parts;
    this.#parts.tell({
      hostname,
      os,
      arch,
      version,
      issuer: formatName(used.certificate.issuer),
      trustRoot: used.trust.newest,
      now: clock.now(),
      ...(this.#problem !== undefined && { problem: this.#problem }),
    });
  }
}
