import { backoffDelay } from "../base/backoff.ts";
import { describeError, hasCode } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import { type Clock, MINUTE, SECOND, sleep } from "../base/time.ts";
import {
  drawRenewal,
  type Life,
  renewalBackoffBound,
  renewalFloor,
} from "../cluster/expiry.ts";
import { issuedFacts } from "../pki/issued_facts.ts";
import type { ManagerEvent } from "./events.ts";
import type { OwnIdentity, Serving } from "./own_identity.ts";
import type { ManagerListener } from "./ports.ts";

/** What the renewal of a manager's own certificate works with. */
export interface SelfRenewalParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly own: OwnIdentity;
  readonly event: (event: ManagerEvent) => void;
}

/** What is known of it, for `status`. */
export interface SelfRenewalView {
  /** Wall clock, in milliseconds. */
  readonly dueAt: number;
  readonly failures: number;
  readonly lastFailure:
    | { readonly at: number; readonly error: string }
    | undefined;
}

/** Keeps the manager's own certificate fresh; the old one serves until then. */
export class SelfRenewal {
  readonly #parts: SelfRenewalParts;
  #serving: Serving | undefined;
  #dueAt = 0;
  /** Ends the wait for the drawn moment. */
  #wake = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastFailure: SelfRenewalView["lastFailure"];

  constructor(parts: SelfRenewalParts) {
    this.#parts = parts;
  }

  /** What new handshakes get. */
  get serving(): Serving {
    if (!this.#serving) throw new TypeError("The manager does not serve yet");
    return this.#serving;
  }

  get view(): SelfRenewalView {
    return {
      dueAt: this.#dueAt,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
    };
  }

  /**
   * Finds, or makes, what to serve with. Before everything else. Where the
   * authority is elsewhere and cannot sign just now, waits for it.
   *
   * @returns `undefined` when told to end meanwhile
   */
  async open(signal: AbortSignal): Promise<Serving | undefined> {
    const { own, clock, random, logger } = this.#parts;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const serving = await own.open();
        this.#serve(serving);
        return serving;
      } catch (error) {
        if (!hasCode(error, "signer-unavailable")) throw error;
        const text = describeError(error);
        logger.error("No certificate to serve with yet", { error: text });
      }
      const options = { baseMs: SECOND, maxMs: MINUTE };
      const pauseMs = backoffDelay(failures, options, random);
      await sleep(clock, pauseMs, signal).catch(() => {}); // told to end
    }
    return undefined;
  }

  /** What it is behind with, as the phase of the root's rotation has it. */
  async follow(
    listener: ManagerListener,
    need: "certificate" | "bundle",
  ): Promise<void> {
    await this.#exclusive(async () => {
      if (need === "certificate") return await this.#renew(listener);
      const serving = await this.#parts.own.adopt(this.serving);
      listener.replace(serving.credentials);
      this.#serving = serving;
    });
  }

  /** Renews as soon as that may be, and tries until it is done. */
  hasten(): void {
    this.#dueAt = this.#parts.clock.now();
    this.#wake.abort();
  }

  async run(listener: ManagerListener, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    for (;;) {
      await this.#untilDue(signal);
      await sleep(clock, await this.#try(listener), signal);
    }
  }

  /**
   * Until the drawn moment, or until the clock shows that the certificate lies
   * ahead: it was made while the clock was wrong, and no worker accepts it.
   */
  async #untilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    for (;;) {
      const now = clock.now();
      const leftMs = this.#dueAt - now;
      const { notBefore } = this.serving.certificate;
      if (leftMs <= 0 || now < notBefore) return signal.throwIfAborted();
      this.#wake = new AbortController();
      const either = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(clock, Math.min(leftMs, MINUTE), either).catch(() => {
        signal.throwIfAborted(); // else it was hastened
      });
    }
  }

  /** @returns how long to wait before anything else is tried, in milliseconds */
  async #try(listener: ManagerListener): Promise<number> {
    const { clock, random } = this.#parts;
    try {
      await this.#exclusive(() => this.#renew(listener));
      return renewalFloor(this.#life());
    } catch (error) {
      this.#failed(error);
      const maxMs = renewalBackoffBound(this.#life(), clock.now());
      const options = { baseMs: SECOND, maxMs };
      return backoffDelay(this.#failures, options, random);
    }
  }

  /** One change of the own identity at a time. */
  async #exclusive(change: () => Promise<void>): Promise<void> {
    const mine = this.#last.then(change);
    this.#last = mine.catch(() => {});
    await mine;
  }

  async #renew(listener: ManagerListener): Promise<void> {
    const serving = await this.#parts.own.renew();
    listener.replace(serving.credentials);
    this.#serve(serving);
    this.#failures = 0;
    this.#lastFailure = undefined;
    const facts = issuedFacts(serving.certificate);
    this.#parts.event({ event: "renewed", ...facts });
  }

  #serve(serving: Serving): void {
    this.#serving = serving;
    this.#dueAt = drawRenewal(this.#life(), this.#parts.random);
  }

  #life(): Life {
    const { issuedAt, certificate: { notAfter } } = this.serving;
    return { issuedAt, notAfter };
  }

  #failed(error: unknown): void {
    const { clock, logger } = this.#parts;
    const text = describeError(error);
    this.#failures++;
    this.#lastFailure = { at: clock.now(), error: text };
    logger.error("Own certificate not renewed; the old one serves on", {
      error: text,
      failures: this.#failures,
    });
  }
}
