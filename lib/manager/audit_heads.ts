import { toHex } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Clock, MINUTE } from "../base/time.ts";
import { canonicalEntry, type ChainPoint } from "../cluster/audit_chain.ts";
import { isHeadDue, type SignedHead, signHead } from "../cluster/audit_head.ts";
import type { Store } from "../cluster/store.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { Serving } from "./own_identity.ts";

/** Id of the record that holds the newest head. */
const AUDIT = "audit";
/** Pause after a head that could not be signed or stored, in milliseconds. */
const RETRY_MS = MINUTE;

/** What signing heads works with. */
export interface AuditHeadParts {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Id of this manager's node. */
  readonly nodeId: string;
  /** What this manager serves with: the same key signs. */
  serving(): Pick<Serving, "certificate" | "key">;
}

/**
 * Signs how far the audit log goes, from time to time. What was signed once
 * must stay in the log: a manager does not vouch for one that was changed.
 */
export class AuditHeads {
  readonly #parts: AuditHeadParts;
  /** Monotonic clock, in milliseconds. */
  #notBefore = -Infinity;
  #alarm: string | undefined;

  constructor(parts: AuditHeadParts) {
    this.#parts = parts;
  }

  /** The newest head, as it is stored. */
  get newest(): SignedHead | undefined {
    return this.#parts.store.view((view) => view.get("head", AUDIT));
  }

  /** What is wrong with the log, for `status`. */
  get alarm(): string | undefined {
    return this.#alarm;
  }

  /** Signs a head when one is due. */
  async round(): Promise<void> {
    const { store, clock } = this.#parts;
    if (clock.monotonic() < this.#notBefore) return;
    const last = store.view((view) => view.last("audit"));
    const before = this.newest;
    const isShort = before !== undefined && before.sequence > last;
    if (!isShort && !isHeadDue(before, { last, now: clock.now() })) return;
    this.#notBefore = clock.monotonic() + RETRY_MS;
    await this.#advance(before, last);
    if (this.#alarm === undefined) this.#notBefore = -Infinity;
  }

  /** At the end: what comes after it was written while nobody looked. */
  async seal(): Promise<void> {
    const last = this.#parts.store.view((view) => view.last("audit"));
    const before = this.newest;
    if (last > (before?.sequence ?? 0)) await this.#advance(before, last);
  }

  async #advance(before: SignedHead | undefined, last: number): Promise<void> {
    const problem = await this.#problemWith(before);
    if (problem === undefined) await this.#sign(last);
    else this.#raise(problem);
  }

  async #sign(last: number): Promise<void> {
    const { store, crypto, clock, nodeId } = this.#parts;
    const point = await this.#pointAt(last);
    const signer = { manager: nodeId, ...this.#parts.serving() };
    const at = Math.floor(clock.now());
    const head = await signHead(crypto, { ...point, at }, signer);
    await store.update((tx) => tx.put("head", AUDIT, head));
  }

  async #problemWith(
    head: SignedHead | undefined,
  ): Promise<string | undefined> {
    if (!head) return undefined;
    try {
      const { hash } = await this.#pointAt(head.sequence);
      if (hash === head.hash) return undefined;
    } catch (error) {
      if (!hasCode(error, "damaged-state") && !(error instanceof RangeError)) {
        throw error;
      }
    }
    return `The audit log is not what was signed up to entry ${head.sequence}: ` +
      "look with `swarmd audit verify`";
  }

  async #pointAt(sequence: number): Promise<ChainPoint> {
    const { store, crypto } = this.#parts;
    const page = { after: sequence - 1, limit: 1 };
    const [entry] = await store.entries("audit", page);
    if (entry?.sequence !== sequence) {
      throw new RangeError(`The log has no entry ${sequence}`);
    }
    const hash = toHex(await crypto.sha256(canonicalEntry(entry)));
    return { sequence, hash };
  }

  #raise(alarm: string): void {
    if (this.#alarm === undefined) this.#parts.logger.error(alarm);
    this.#alarm = alarm;
  }
}
