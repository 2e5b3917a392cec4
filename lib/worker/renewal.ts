import { toBase64 } from "../base/bytes.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { MINUTE, sleep, sleepUntil, WOKEN } from "../base/time.ts";
import { drawRenewal } from "../cluster/expiry.ts";
import { createCsr } from "../pki/csr.ts";
import type { KeyPair } from "../pki/crypto.ts";
import { issuedFacts } from "../pki/issued_facts.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import type { Adopted } from "./adoption.ts";
import { readAnswer } from "./answer.ts";
import { type HeldIdentity, toStored } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";
import type { Recovery } from "./recovery.ts";
import { type PaceView, RenewalPace } from "./renewal_pace.ts";
import { stageKey } from "./staged_key.ts";

/** The steps of a renewal (trust.md §5). */
export type RenewalStep =
  | "idle"
  | "requested"
  | "received"
  | "saved"
  | "in-use";

/** What is known of renewals, for `status`. */
export interface RenewalView extends PaceView {
  readonly step: RenewalStep;
}

/**
 * A change of the trust bundle: gives the identity with the other one.
 *
 * @throws {SwarmdError} if it is not good
 */
export type Adoption = (
  held: HeldIdentity,
  signal: AbortSignal,
) => Promise<Adopted>;

/** What renewal works with. */
export interface RenewalParts extends WorkerPorts {
  held(): HeldIdentity;
  /** What lies on disk. */
  reload(): Promise<HeldIdentity>;
  /** Puts an identity into use: for new connections, from now on. */
  use(held: HeldIdentity): void;
  /** Remembers that another bundle is about to be saved, durably. */
  expect(adopted: Adopted): Promise<void>;
  /** Remembers when the next renewal is due: on disk once a manager answered. */
  remember(held: HeldIdentity, renewAt: number): void;
  /** Asks the manager on the connection that holds the session. */
  ask(csr: string, signal: AbortSignal): Promise<IssuedResult>;
  /** Opens the next connection, with the identity in use. */
  move(reason: string): void;
  /** What the last try failed with; `undefined`: it did not fail. */
  troubled?(cause: unknown): void;
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
  readonly #pace: RenewalPace;
  /** Wakes the wait for the due time. */
  #wake = new AbortController();
  /** A change of the bundle that waits for its turn; the newest counts. */
  #adoption: Adoption | undefined;
  /** The newest identity that needs no confirmation any more. */
  #settled: HeldIdentity | undefined;
  /** The last time that it went back, or did not. */
  #back: Promise<unknown> = Promise.resolve();
  /** When a bundle was refused and that was told, monotonic. */
  #refusedAt = -Infinity;
  /** The identity in use has not been answered with a `hello` yet. */
  #unconfirmed: PromiseWithResolvers<void> | undefined;

  constructor(parts: RenewalParts, dueAt: number) {
    this.#parts = parts;
    this.#pace = new RenewalPace(parts, dueAt);
  }

  get view(): RenewalView {
    return { step: this.#step, ...this.#pace.view };
  }

  /**
   * The manager wants a renewal at once. It changes when the next one is due,
   * and no pause after a failure: no push makes a node ask in a tight loop.
   */
  renewNow({ changed = false } = {}): void {
    this.#pace.hurry({ changed });
    this.#wake.abort(WOKEN);
  }

  /** Takes another trust bundle into use, when no renewal is under way. */
  adopt(change: Adoption): void {
    this.#adoption = change;
    this.#wake.abort(WOKEN);
  }

  /** The identity in use is to be recovered: nothing else is tried. */
  recover(error: SwarmdError): void {
    this.#unconfirmed?.reject(error);
    this.#wake.abort(WOKEN);
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
  refused(held: HeldIdentity, error: SwarmdError): Promise<boolean> {
    // Two refusals of one identity go back one step, and not two.
    const next = this.#back.then(() => this.#goBack(held, error));
    this.#back = next.catch(() => {}); // its caller is told
    return next;
  }

  async #goBack(held: HeldIdentity, error: SwarmdError): Promise<boolean> {
    if (held !== this.#parts.held()) return false;
    // The root was cut off: the session that is still open leads on, and nothing
    // else does. Who waited for an answer under that root would not ask there.
    if (hasCode(error, "unverified-chain")) this.#unconfirmed?.reject(error);
    if (!hasCode(error, "replaced", "newer-than-store")) return false;
    if (!await this.#parts.identity.rollBack()) return false;
    this.#parts.use(await this.#parts.reload());
    // What was drawn is of the identity that was given up: start over now.
    this.renewNow();
    this.#unconfirmed?.reject(error);
    return true;
  }

  /** @throws {SwarmdError} `removed` when it cannot be recovered for that */
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
        if (recovery && hasCode(error, "removed")) throw error;
        if (recovery) recovery.failed(error);
        else this.#failed(error);
      } finally {
        this.#step = "idle";
      }
    }
  }

  #failed(error: unknown): void {
    if (this.#pace.waits(error)) return;
    this.#pace.failed(error);
    this.#parts.troubled?.(error);
  }

  #succeeded(held: HeldIdentity, before: HeldIdentity): void {
    this.#pace.succeeded(held, before);
    this.#parts.troubled?.(undefined);
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
      const pauseMs = this.#recovery?.pauseMs ?? this.#pace.pauseMs;
      const isDue = this.#recovery !== undefined ||
        clock.now() >= this.#pace.dueAt;
      if (pauseMs <= 0 && isDue) break;
      this.#wake = new AbortController();
      const either = AbortSignal.any([signal, this.#wake.signal]);
      const waited = pauseMs > 0
        ? sleep(clock, pauseMs, either)
        : sleepUntil(clock, this.#pace.dueAt, either);
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
    const recovered = await recovery.attempt(signal);
    if (!recovered) return;
    const { held } = recovered;
    const { identity, logger, event } = this.#parts;
    await this.#parts.expect(recovered);
    this.#settled = this.#parts.held();
    await this.#saveAndUse(held, signal);
    await identity.dropStagedKey();
    const facts = issuedFacts(held.certificate);
    logger.info("Certificate recovered", { serial: facts.serial, reason });
    event({ event: "recovered", reason, ...facts });
    const { newest: rootDigest } = held.trust;
    if (rootDigest !== before.trust.newest) {
      event({ event: "root-changed", node: held.nodeId, rootDigest });
    }
    this.#succeeded(held, before);
  }

  /** A bundle that is not good is told, and nothing else changes. */
  async #adopt(change: Adoption, signal: AbortSignal): Promise<void> {
    this.#adoption = undefined;
    const { identity, logger } = this.#parts;
    const before = this.#parts.held();
    let adopted: Adopted;
    try {
      adopted = await change(before, signal);
    } catch (error) {
      logger[this.#levelOfRefusal()](
        "Trust bundle not adopted; the old one stays",
        { error: describeError(error) },
      );
      this.#parts.troubled?.(error);
      return;
    }
    // It went back meanwhile, and what was judged is not in use any more
    if (before !== this.#parts.held()) return;
    const { held } = adopted;
    if (held.trust.bundle === before.trust.bundle) {
      return this.#parts.move("the manager wants to hear what is trusted here");
    }
    await this.#parts.expect(adopted);
    this.#settled = this.#parts.held();
    await identity.save(toStored(held));
    this.#step = "saved";
    await this.#use(held, this.#pace.dueAt, signal);
    const { newest: rootDigest } = held.trust;
    logger.info("Trust bundle adopted", { rootDigest });
    const node = held.nodeId;
    this.#parts.event({ event: "root-changed", node, rootDigest });
    if (this.#pace.failures === 0) this.#parts.troubled?.(undefined);
  }

  /** The manager says how often it offers one. */
  #levelOfRefusal(): "error" | "debug" {
    const now = this.#parts.clock.monotonic();
    if (now - this.#refusedAt < MINUTE) return "debug";
    this.#refusedAt = now;
    return "error";
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
    await this.#saveAndUse(held, signal);
    await identity.dropStagedKey();
    const facts = issuedFacts(held.certificate);
    logger.info("Certificate renewed", { serial: facts.serial });
    this.#parts.event({ event: "renewed", ...facts });
    this.#succeeded(held, before);
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

  async #saveAndUse(held: HeldIdentity, signal: AbortSignal): Promise<void> {
    const { identity, random } = this.#parts;
    const { issuedAt, certificate: { notAfter } } = held;
    const renewAt = drawRenewal({ issuedAt, notAfter }, random);
    await identity.save(toStored(held));
    this.#step = "saved";
    this.#parts.remember(held, renewAt);
    await this.#use(held, renewAt, signal);
  }

  /** Into use, then wait: no renewal starts before this one is confirmed. */
  async #use(
    held: HeldIdentity,
    renewAt: number,
    signal: AbortSignal,
  ): Promise<void> {
    // While it was saved, say: what is on the disk is used at the next start.
    signal.throwIfAborted();
    const confirmed = Promise.withResolvers<void>();
    const stop = () => confirmed.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    this.#unconfirmed = confirmed;
    this.#step = "in-use";
    const { pushes } = this.#pace;
    this.#parts.use(held);
    this.#parts.move("this node has a newer certificate");
    try {
      await confirmed.promise;
      // A manager that heard of it may have asked for the next one already
      this.#pace.drawn(renewAt, pushes);
    } catch (error) {
      await this.#parts.identity.dropStagedKey();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#unconfirmed = undefined;
    }
  }
}
