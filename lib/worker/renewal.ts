import { toBase64 } from "../base/bytes.ts";
import { backoffDelay } from "../base/backoff.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { MINUTE, SECOND, sleep, sleepUntil } from "../base/time.ts";
import {
  drawRenewal,
  renewalBackoffBound,
  renewalFloor,
} from "../cluster/expiry.ts";
import { createCsr } from "../pki/csr.ts";
import type { KeyPair } from "../pki/crypto.ts";
import { issuedFacts } from "../pki/issued_facts.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { readAnswer } from "./answer.ts";
import { type HeldIdentity, toStored } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";
import type { Recovery } from "./recovery.ts";
import { stageKey } from "./staged_key.ts";

/** The steps of a renewal (trust.md §5). */
export type RenewalStep =
  | "idle"
  | "requested"
  | "received"
  | "saved"
  | "in-use";

/** What is known of renewals, for `status`. */
export interface RenewalView {
  readonly step: RenewalStep;
  /** Wall clock, in milliseconds. */
  readonly dueAt: number;
  readonly failures: number;
  readonly lastFailure:
    | { readonly at: number; readonly error: string }
    | undefined;
}

/** Renewals that may follow each other without a longer pause. */
const MAX_IN_A_ROW = 4;
/** And that between them, in milliseconds. */
const MIN_PAUSE = SECOND;

/** A change of the trust bundle. */
export interface Adoption {
  /** Gives the identity with the other bundle. @throws {SwarmdError} if it is not good */
  judge(held: HeldIdentity, signal: AbortSignal): Promise<HeldIdentity>;
  /** It is on the disk. */
  saved(): Promise<void>;
}

/** What renewal works with. */
export interface RenewalParts extends WorkerPorts {
  held(): HeldIdentity;
  /** What lies on disk. */
  reload(): Promise<HeldIdentity>;
  /** Puts an identity into use: for new connections, from now on. */
  use(held: HeldIdentity): void;
  /** Remembers when the next renewal is due, durably. */
  remember(held: HeldIdentity, renewAt: number): Promise<void>;
  /** Asks the manager on the connection that holds the session. */
  ask(csr: string, signal: AbortSignal): Promise<IssuedResult>;
  /** Opens the next connection, with the identity in use. */
  move(reason: string): void;
  /** Takes over while the identity in use is not good any more. */
  readonly recovery?: Recovery;
}

/**
 * Renews the identity, each step saved before the next begins: the key before
 * the request, the identity before its use. Whatever fails, the old identity
 * serves on, and the next try comes after a pause.
 */
export class Renewal {
  readonly #parts: RenewalParts;
  #step: RenewalStep = "idle";
  #dueAt: number;
  /** How often a renewal was wanted at once. */
  #pushes = 0;
  /** No try before, by the monotonic clock, in milliseconds. */
  #notBefore = -Infinity;
  #failures = 0;
  #lastFailure: RenewalView["lastFailure"];
  #warnedAt = -Infinity;
  /** Wakes the wait for the due time. */
  #wake = new AbortController();
  /** A change of the bundle that waits for its turn; the newest counts. */
  #adoption: Adoption | undefined;
  /** When the last renewals succeeded, monotonic, oldest first. */
  #successes: readonly number[] = [];
  /** The newest identity that needs no confirmation any more. */
  #settled: HeldIdentity | undefined;
  /** The identity in use has not been answered with a `hello` yet. */
  #unconfirmed: PromiseWithResolvers<void> | undefined;

  constructor(parts: RenewalParts, dueAt: number) {
    this.#parts = parts;
    this.#dueAt = dueAt;
  }

  get view(): RenewalView {
    const { clock } = this.#parts;
    const pauseMs = this.#notBefore - clock.monotonic();
    return {
      step: this.#step,
      dueAt: Math.max(this.#dueAt, clock.now() + pauseMs),
      failures: this.#failures,
      lastFailure: this.#lastFailure,
    };
  }

  /**
   * The manager wants a renewal at once. It changes when the next one is due,
   * and no pause after a failure: no push makes a node ask in a tight loop.
   */
  renewNow(): void {
    this.#pushes++;
    this.#dueAt = Math.min(this.#dueAt, this.#parts.clock.now());
    this.#wake.abort();
  }

  /** Takes another trust bundle into use, when no renewal is under way. */
  adopt(change: Adoption): void {
    this.#adoption = change;
    this.#wake.abort();
  }

  /** The identity in use is to be recovered: nothing else is tried. */
  recover(error: SwarmdError): void {
    this.#unconfirmed?.reject(error);
    this.#wake.abort();
  }

  /** A manager answered a `hello` under this identity. */
  async confirmed(held: HeldIdentity): Promise<void> {
    if (held !== this.#parts.held()) return;
    this.#parts.recovery?.end();
    if (held === this.#settled) return;
    this.#settled = held;
    try {
      await this.#parts.identity.confirm();
    } finally {
      // It is confirmed even where the one before could not be deleted.
      this.#unconfirmed?.resolve();
    }
  }

  /**
   * A VERIFIED manager does not know the identity in use: back to the one
   * before, if the disk still has it. That is so until a `hello` was answered.
   *
   * @returns whether it went back
   */
  async refused(held: HeldIdentity, error: SwarmdError): Promise<boolean> {
    if (held !== this.#parts.held()) return false;
    if (!hasCode(error, "replaced", "newer-than-store")) return false;
    if (!await this.#parts.identity.rollBack()) return false;
    this.#parts.use(await this.#parts.reload());
    // What was drawn is of the identity that was given up: start over now.
    this.renewNow();
    this.#unconfirmed?.reject(error);
    return true;
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#untilWork(signal);
      const recovery = this.#recovery;
      try {
        if (recovery) await this.#recover(recovery, signal);
        else if (this.#adoption) await this.#adopt(this.#adoption, signal);
        else await this.#renew(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (recovery) recovery.failed(error);
        else this.#failed(error);
      } finally {
        this.#step = "idle";
      }
    }
  }

  /** While it is wanted. */
  get #recovery(): Recovery | undefined {
    const { recovery } = this.#parts;
    return recovery?.isWanted ? recovery : undefined;
  }

  /** Until a renewal is due, or another bundle is to be adopted, or recovered. */
  async #untilWork(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (this.#recovery || !this.#adoption) {
      // On the clock that nobody sets: a moment that was chosen while the
      // other one was wrong would still hold when it is right again.
      const pauseMs = this.#recovery?.pauseMs ??
        this.#notBefore - clock.monotonic();
      const isDue = this.#recovery !== undefined || clock.now() >= this.#dueAt;
      if (pauseMs <= 0 && isDue) break;
      this.#wake = new AbortController();
      const either = AbortSignal.any([signal, this.#wake.signal]);
      const waited = pauseMs > 0
        ? sleep(clock, pauseMs, either)
        : sleepUntil(clock, this.#dueAt, either);
      await waited.catch(() => {
        // Woken: something changed. Unless it is the end of everything:
        signal.throwIfAborted();
      });
    }
    signal.throwIfAborted();
  }

  /** The bundle of the identity may be another one: both are saved at once. */
  async #recover(recovery: Recovery, signal: AbortSignal): Promise<void> {
    const before = this.#parts.held();
    const reason = recovery.view?.reason ?? "expired";
    const held = await recovery.attempt(signal);
    if (!held) return;
    const { identity, logger, event } = this.#parts;
    this.#settled = before;
    const renewAt = await this.#save(held);
    this.#step = "saved";
    await this.#use(held, renewAt, signal);
    await identity.dropStagedKey();
    const facts = issuedFacts(held.certificate);
    logger.info("Certificate recovered", { serial: facts.serial, reason });
    event({ event: "recovered", reason, ...facts });
    const { newest: rootDigest } = held.trust;
    if (rootDigest !== before.trust.newest) {
      event({ event: "root-changed", node: held.nodeId, rootDigest });
    }
    this.#succeeded(held);
  }

  /** A bundle that is not good is told, and nothing else changes. */
  async #adopt(change: Adoption, signal: AbortSignal): Promise<void> {
    this.#adoption = undefined;
    const { identity, logger } = this.#parts;
    const before = this.#parts.held();
    let held: HeldIdentity;
    try {
      held = await change.judge(before, signal);
    } catch (error) {
      logger.error("Trust bundle not adopted; the old one stays", {
        error: describeError(error),
      });
      return;
    }
    if (held.trust.bundle === before.trust.bundle) {
      return this.#parts.move("the manager wants to hear what is trusted here");
    }
    this.#settled = before;
    await identity.save(toStored(held));
    await change.saved();
    this.#step = "saved";
    await this.#use(held, this.#dueAt, signal);
    const { newest: rootDigest } = held.trust;
    logger.info("Trust bundle adopted", { rootDigest });
    const node = held.nodeId;
    this.#parts.event({ event: "root-changed", node, rootDigest });
  }

  /** The next try comes after a pause. */
  #failed(cause: unknown): void {
    const { clock, random, logger } = this.#parts;
    const error = describeError(cause);
    this.#failures++;
    this.#lastFailure = { at: clock.now(), error };
    const { notAfter } = this.#parts.held().certificate;
    const text = clock.now() < notAfter
      ? "Certificate not renewed; the old one serves on"
      : "Certificate not renewed, and it has ended; if this machine's clock is right, join again with a token";
    logger[this.#levelOfFailure()](text, { error, failures: this.#failures });
    const options = { baseMs: SECOND, maxMs: this.#longestPause() };
    const pauseMs = backoffDelay(this.#failures, options, random);
    this.#notBefore = clock.monotonic() + pauseMs;
  }

  /**
   * A certificate that has ended is in no hurry: most likely this clock is
   * wrong, and each request would cost the manager another signature.
   */
  #longestPause(): number {
    const now = this.#parts.clock.now();
    const { issuedAt, certificate: { notAfter } } = this.#parts.held();
    const at = now < notAfter ? now : issuedAt;
    return renewalBackoffBound({ issuedAt, notAfter }, at);
  }

  /** Short-lived certificates are tried for each second. */
  #levelOfFailure(): "warn" | "debug" {
    const now = this.#parts.clock.monotonic();
    const recent = now - this.#warnedAt < MINUTE;
    if (recent && this.#failures > 1) return "debug";
    this.#warnedAt = now;
    return "warn";
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { identity, logger } = this.#parts;
    const before = this.#parts.held();
    const after = before.certificate.fingerprint;
    const key = await stageKey(this.#parts, { purpose: "renew", after });
    this.#step = "requested";
    const csr = toBase64(await createCsr(this.#parts.crypto, key));
    const answer = await this.#parts.ask(csr, signal);
    this.#step = "received";
    // It asked and was answered: what is saved from here on is not confirmed.
    this.#settled = before;
    const held = await this.#check(answer, { key, before });
    const renewAt = await this.#save(held);
    this.#step = "saved";
    await this.#use(held, renewAt, signal);
    await identity.dropStagedKey();
    const facts = issuedFacts(held.certificate);
    logger.info("Certificate renewed", { serial: facts.serial });
    this.#parts.event({ event: "renewed", ...facts });
    this.#succeeded(held);
  }

  /** An answer that fails its check burns its key. */
  async #check(
    answer: IssuedResult,
    made: { readonly key: KeyPair; readonly before: HeldIdentity },
  ): Promise<HeldIdentity> {
    const { crypto, clock, identity } = this.#parts;
    const { before, key } = made;
    const { clusterId, nodeId, identity: { bundle } } = before;
    try {
      const expected = { clusterId, nodeId, now: clock.now() };
      return await readAnswer(crypto, { answer, key, bundle, expected });
    } catch (error) {
      await identity.dropStagedKey();
      throw error;
    }
  }

  async #save(held: HeldIdentity): Promise<number> {
    const { identity, random } = this.#parts;
    const { issuedAt, certificate: { notAfter } } = held;
    const renewAt = drawRenewal({ issuedAt, notAfter }, random);
    await identity.save(toStored(held));
    await this.#parts.remember(held, renewAt);
    return renewAt;
  }

  /** Into use, then wait: no renewal starts before this one is confirmed. */
  async #use(
    held: HeldIdentity,
    renewAt: number,
    signal: AbortSignal,
  ): Promise<void> {
    const confirmed = Promise.withResolvers<void>();
    const stop = () => confirmed.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    this.#unconfirmed = confirmed;
    this.#step = "in-use";
    const pushes = this.#pushes;
    this.#parts.use(held);
    this.#parts.move("this node has a newer certificate");
    try {
      await confirmed.promise;
      // A manager that heard of it may have asked for the next one already
      if (pushes === this.#pushes) this.#dueAt = renewAt;
    } catch (error) {
      await this.#parts.identity.dropStagedKey();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#unconfirmed = undefined;
    }
  }

  /**
   * Whatever an authority answers, no node renews in a tight loop (W6): the
   * next one waits, and after a few in a row, as rotations ask for, each waits
   * for its share of that time.
   */
  #succeeded({ issuedAt, certificate: { notAfter } }: HeldIdentity): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    const now = this.#parts.clock.monotonic();
    this.#successes = [...this.#successes, now].slice(-MAX_IN_A_ROW);
    const [oldest = now] = this.#successes;
    const floorMs = renewalFloor({ issuedAt, notAfter });
    const full = this.#successes.length === MAX_IN_A_ROW;
    this.#notBefore = full ? Math.max(now, oldest + floorMs) : now + MIN_PAUSE;
  }
}
