import type { Logger } from "../base/logger.ts";
import { type Clock, MINUTE } from "../base/time.ts";
import {
  compareHeads,
  type HeadVerdict,
  judgeSignature,
  type SignedHead,
} from "../cluster/audit_head.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { HeldIdentity } from "./held_identity.ts";

/** Shortest time between two writes for heads alone, in milliseconds. */
const WRITE_MS = 10 * MINUTE;
/** Shortest time between two alarms in the log, in milliseconds. */
const ALARM_MS = 10 * MINUTE;
/** Managers whose heads are kept; the one heard of longest ago goes first. */
const MAX_HEADS = 8;

/** What keeping heads works with. */
export interface HeadKeeperParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crypto: Crypto;
  /** Whose cluster and roots heads are judged by. */
  held(): Pick<HeldIdentity, "clusterId" | "identity">;
  /** One for each manager, the one heard of last at the end. */
  kept(): readonly SignedHead[];
  /** Keeps them from now on: on disk as well, or with the next write there. */
  keep(heads: readonly SignedHead[], durably: boolean): Promise<void>;
  /** They are on disk: the manager may count on this one. */
  told(head: SignedHead): void;
}

/** A head, and who handed it over. */
interface Handed {
  readonly head: SignedHead;
  /** What the manager presented on the connection. */
  readonly leaf: Certificate;
}

/**
 * Keeps the newest signed head of each manager's audit log, where that manager
 * cannot change it: a log that was rewritten does not lead to it any more.
 */
export class HeadKeeper {
  readonly #parts: HeadKeeperParts;
  #writtenAt = -Infinity;
  #alarmedAt = -Infinity;
  #alarm: string | undefined;
  /** What was refused by its signature, and told. */
  readonly #told = new Set<HeadVerdict>();
  /** Waits while another one is judged; the newest counts. */
  #next: Handed | undefined;
  #isJudging = false;

  constructor(parts: HeadKeeperParts) {
    this.#parts = parts;
  }

  /** The newest head of the manager that was heard of last. */
  get newest(): SignedHead | undefined {
    return this.#parts.kept().at(-1);
  }

  /** What a manager said that cannot be, for `status`. */
  get alarm(): string | undefined {
    return this.#alarm;
  }

  /**
   * A verified manager says how far its log goes. One is judged at a time: a
   * signature costs, and the manager says how many there are.
   */
  async seen(head: SignedHead, leaf: Handed["leaf"]): Promise<void> {
    this.#next = { head, leaf };
    if (this.#isJudging) return;
    this.#isJudging = true;
    try {
      for (let next = this.#takeNext(); next; next = this.#takeNext()) {
        await this.#judge(next);
      }
    } finally {
      this.#isJudging = false;
    }
  }

  #takeNext(): Handed | undefined {
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  async #judge({ head, leaf }: Handed): Promise<void> {
    const { crypto, kept, held } = this.#parts;
    const before = kept().find(({ manager }) => manager === head.manager);
    if (before && compareHeads(before, head) === "same") return;
    const { clusterId, identity: { bundle: { roots: anchors } } } = held();
    const judged = { head, clusterId, anchors, presented: leaf };
    const verdict = await judgeSignature(crypto, judged);
    if (verdict === "good") await this.#compare(head);
    else this.#refuse(head, verdict);
  }

  /** It is evidence of nothing, and replaces none that is. */
  #refuse({ manager, sequence }: SignedHead, verdict: HeadVerdict): void {
    if (this.#told.has(verdict)) return;
    this.#told.add(verdict);
    const { logger } = this.#parts;
    if (verdict === "other-root") {
      // Signed before the root was changed: the next one is not.
      logger.info("Audit head not kept: signed under another root", {
        ...{ manager, told: sequence },
      });
      return;
    }
    const alarm =
      `Manager ${manager} handed out a head of its audit log that does not carry its signature`;
    this.#alarm ??= alarm;
    logger.error("Audit head not kept: forged", { alarm, told: sequence });
  }

  async #compare(head: SignedHead): Promise<void> {
    const { clock, kept } = this.#parts;
    const others = kept().filter(({ manager }) => manager !== head.manager);
    const before = kept().find(({ manager }) => manager === head.manager);
    const verdict = compareHeads(before, head);
    if (verdict === "same") return;
    if (before && verdict !== "newer") return this.#raise(before, head);
    const now = clock.monotonic();
    const durably = now - this.#writtenAt >= WRITE_MS;
    if (durably) this.#writtenAt = now;
    const heads = [...others, head].slice(-MAX_HEADS);
    await this.#parts.keep(heads, durably);
    if (durably) this.#parts.told(head);
  }

  /** The one that was kept stays: it is the evidence. */
  #raise(kept: SignedHead, { sequence, manager }: SignedHead): void {
    const { clock, logger } = this.#parts;
    this.#alarm = sequence < kept.sequence
      ? `Manager ${manager} says that its audit log ends at ${sequence}, and had signed it up to ${kept.sequence}`
      : `Manager ${manager} signed entry ${sequence} of its audit log twice, with different contents`;
    const now = clock.monotonic();
    if (now - this.#alarmedAt < ALARM_MS) return;
    this.#alarmedAt = now;
    logger.error("The audit log of a manager is not what it was", {
      alarm: this.#alarm,
      kept: kept.sequence,
      told: sequence,
    });
  }
}
