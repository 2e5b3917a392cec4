import { describeError, type ErrorCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { LogThrottle } from "../base/log_throttle.ts";
import { type Clock, HOUR } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import type { Store } from "../cluster/store.ts";

/** Time in which one kind of refusal of one party makes one entry. */
const QUIET_MS = HOUR;
/** Most entries in that time, whatever happens: about 1.5 MB. */
const MAX_ENTRIES = 4_096;
/** Longest reason. */
const MAX_WHY = 240;

/** Refusals of trust; the others are of the moment, or of the wire. */
const CODES: ReadonlySet<ErrorCode> = new Set([
  "csr-refused",
  "key-in-use",
  "cloned",
  "already-joined",
  "unknown-node",
  "removed",
  "suspended",
  "conflict",
  "replaced",
  "expired",
  "not-yet-valid",
  "newer-than-store",
  "dropped-root",
  "role",
  "not-owner",
]);

/** A refusal of somebody who is not a stranger. */
export interface Refusal {
  /** The node that proved itself; absent for the holder of a valid token. */
  readonly node?: string;
  /** Public id of the valid token. */
  readonly token?: string;
  /** Address of the caller. */
  readonly by: string;
  readonly error: unknown;
}

/** What the record of refusals works with. */
export interface RefusalParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Puts refusals of known nodes and of valid tokens into the audit log. Each of
 * them may knock as often as it likes, so that a party and a code make one
 * entry an hour. Strangers make none: the disk is not theirs to fill.
 */
export class Refusals {
  readonly #parts: RefusalParts;
  readonly #throttle: LogThrottle;
  /** When each was written, monotonic, oldest first. */
  readonly #written = new Map<string, number>();

  constructor(parts: RefusalParts) {
    this.#parts = parts;
    this.#throttle = new LogThrottle(parts.logger, parts.clock);
  }

  /** Runs something that may refuse; what it throws is noted, and goes on. */
  async noting<T>(
    who: Omit<Refusal, "error">,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.note({ ...who, error });
      throw error;
    }
  }

  /** Notes a refusal. Whether it could be written changes nothing of it. */
  note({ node, token, by, error }: Refusal): void {
    if (!(error instanceof SwarmdError) || !CODES.has(error.code)) return;
    if (!this.#isNew(`${node ?? token} ${error.code}`)) return;
    const { store, clock } = this.#parts;
    const of = token === undefined ? "" : ` (token ${token})`;
    const why = `${error.code}${of}: ${error.message}`.slice(0, MAX_WHY);
    const about = { action: "refused", by, why } as const;
    const entry = { at: clock.now(), ...about, ...(node && { node }) };
    store.update((tx) => audit(tx, entry)).catch((failure) => {
      this.#throttle.warn("Refusal not in the audit log", {
        error: describeError(failure),
      });
    });
  }

  #isNew(key: string): boolean {
    const now = this.#parts.clock.monotonic();
    for (const [old, at] of this.#written) {
      if (now - at < QUIET_MS) break;
      this.#written.delete(old);
    }
    if (this.#written.has(key) || this.#written.size >= MAX_ENTRIES) {
      return false;
    }
    this.#written.set(key, now);
    return true;
  }
}
