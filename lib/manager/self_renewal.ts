import { backoffDelay } from "../base/backoff.ts";
import { describeError, hasCode } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import { type Clock, MINUTE, SECOND, sleep, WOKEN } from "../base/time.ts";
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
import { dialSelf, type SelfDial } from "./self_dial.ts";

/** What the renewal of a manager's own certificate works with. */
export interface SelfRenewalParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly own: OwnIdentity;
  readonly dialer: SelfDial["dialer"];
  readonly event: (event: ManagerEvent) => void;
}

/** Where it is served, and until when. */
interface Place {
  readonly listener: ManagerListener;
  readonly signal: AbortSignal;
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
  #place: Place | undefined;
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

  /**
   * It listens with what was opened, until a signal. Should that not be seen,
   * it serves all the same: nodes that can verify it need it.
   */
  async begin(place: Place): Promise<void> {
    const { own, logger } = this.#parts;
    this.#place = place;
    try {
      await this.#dial(this.serving, place);
      await own.seen(this.serving);
    } catch (error) {
      if (place.signal.aborted) return;
      const text = describeError(error);
      logger.error("Own certificate was not seen in use", { error: text });
    }
  }

  /** Whether it listens. */
  get hasBegun(): boolean {
    return this.#place !== undefined;
  }

  /** What it is behind with, as the phase of the root's rotation has it. */
  async follow(need: "certificate" | "bundle"): Promise<void> {
    await this.#exclusive(async () => {
      if (need === "certificate") return await this.#renew();
      await this.#use(await this.#parts.own.adopt(this.serving));
    });
  }

  /** Renews as soon as that may be, and tries until it is done. */
  hasten(): void {
    this.#dueAt = this.#parts.clock.now();
    this.#wake.abort(WOKEN);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    for (;;) {
      await this.#untilDue(signal);
      await sleep(clock, await this.#try(), signal);
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
  async #try(): Promise<number> {
    const { clock, random } = this.#parts;
    try {
      await this.#exclusive(() => this.#renew());
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

  async #renew(): Promise<void> {
    const serving = await this.#parts.own.renew();
    await this.#use(serving);
    this.#serve(serving);
    this.#failures = 0;
    this.#lastFailure = undefined;
    const facts = issuedFacts(serving.certificate);
    this.#parts.event({ event: "renewed", ...facts });
  }

  /** It counts when it was seen in use; until then the way back is open. */
  async #use(serving: Serving): Promise<void> {
    const { own } = this.#parts;
    const before = this.serving;
    const place = this.#mustPlace();
    place.listener.replace(serving.credentials);
    this.#serving = serving;
    try {
      await this.#dial(serving, place);
      await own.seen(serving);
    } catch (error) {
      place.listener.replace(before.credentials);
      this.#serving = before;
      await own.giveUp();
      throw error;
    }
  }

  async #dial(serving: Serving, { listener, signal }: Place): Promise<void> {
    const { dialer, logger } = this.#parts;
    const { endpoint } = listener;
    await dialSelf({ dialer, logger, endpoint, serving, signal });
  }

  #mustPlace(): Place {
    if (this.#place) return this.#place;
    throw new TypeError("The manager does not listen yet");
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
