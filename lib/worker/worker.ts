import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { runTasks } from "../base/tasks.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import { latestRenewal } from "../cluster/expiry.ts";
import { LEAF_BACKDATE } from "../pki/profile.ts";
import { watchClock } from "../cluster/clock_watch.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { isPush, parseAs, PUSHES } from "../rpc/methods.ts";
import type { BundleParams, VoidManagersParams } from "../rpc/schemas.ts";
import { DrillApp } from "./drill_app.ts";
import { followOffer } from "./follow_offer.ts";
import { type HeldIdentity, readStored } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";
import { HeadKeeper } from "./head_keeper.ts";
import { type Established, presentedOn, type UplinkStatus } from "./line.ts";
import { MembershipBook } from "./membership_book.ts";
import { rehearse } from "./rehearse.ts";
import { Registration } from "./registration.ts";
import { recoverableReason, Recovery, type RecoveryView } from "./recovery.ts";
import { type Adoption, Renewal, type RenewalView } from "./renewal.ts";
import type { Membership, WorkerState } from "./state.ts";
import { Uplink } from "./uplink.ts";
import { hearVoid } from "./void_managers.ts";

/** What a worker is run with. */
export interface WorkerOptions {
  readonly ports: WorkerPorts;
  readonly state: WorkerState;
  readonly held: HeldIdentity;
  readonly membership: Membership;
  /** The application above the session. Default: the drill's. */
  readonly drill?: DrillApp;
}

/** The agent: it keeps a session and a fresh certificate. */
export class Worker {
  readonly #ports: WorkerPorts;
  readonly #state: WorkerState;
  readonly #uplink: Uplink;
  readonly #renewal: Renewal;
  readonly #recovery: Recovery;
  readonly #drill: DrillApp;
  #held: HeldIdentity;
  readonly #book: MembershipBook;
  readonly heads: HeadKeeper;
  /** Resolved by the first session, or when there is an identity to recover. */
  readonly #connected = Promise.withResolvers<void>();
  /** Work under way that nobody waits for, but the end. */
  readonly #works = new Set<Promise<void>>();
  /** Aborted at the end. */
  readonly #ended = new AbortController();
  #left = false;
  #isRehearsing = false;
  /** Certificate of who told a list that was refused, and logged. */
  #badTeller: string | undefined;
  readonly #registration: Registration;

  constructor(options: WorkerOptions) {
    const { ports, state, held, membership } = options;
    this.#ports = ports;
    this.#state = state;
    this.#held = held;
    this.#book = new MembershipBook(state, {
      nodeId: held.nodeId,
      membership,
    });
    this.heads = new HeadKeeper({
      ...ports,
      held: () => this.#held,
      kept: () => this.#book.membership.auditHeads ?? [],
      keep: (heads, durably) => this.#book.keeps(heads, { durably }),
      told: (head) => this.#uplink.session?.notify("audit.kept", head),
    });
    this.#registration = new Registration({
      ...ports,
      tell: (params) => this.#uplink.session?.notify("node.register", params),
    });
    this.#drill = options.drill ?? new DrillApp(ports);
    const generation = () => this.#book.membership.generation ?? 0;
    const voids = () => this.#book.membership.voidManagers ?? [];
    this.#recovery = new Recovery({
      ...ports,
      held: () => this.#held,
      ...{ generation, voids },
    });
    this.#renewal = new Renewal({
      ...ports,
      recovery: this.#recovery,
      held: () => this.#held,
      reload: () => this.#reload(),
      use: (next) => this.#held = next,
      expect: ({ held: { trust }, generation }) =>
        this.#book.expects({ generation, bundle: trust.bundle }),
      remember: (next, renewAt) => this.#book.renewed(next, renewAt),
      ask: (csr, signal) => this.#uplink.call("node.renew", { csr }, signal),
      troubled: (cause) => this.#registration.troubled(cause),
      move: (reason) => {
        this.#uplink.requestMove(reason);
        this.#uplink.hurry();
      },
    }, firstRenewal(held, membership));
    this.#uplink = new Uplink({
      ...ports,
      held: () => this.#held,
      ...{ generation, voids },
      managers: () => this.#book.endpoints,
      established: (line, fresh) => this.#established(line, fresh),
      refused: (at, error) => this.#background(this.#refused(at, error)),
      pushed: (method, params) => this.#pushed(method, params),
    });
  }

  get held(): HeldIdentity {
    return this.#held;
  }

  get membership(): Membership {
    return this.#book.membership;
  }

  /** Where it dials, best first. */
  get endpoints(): readonly Endpoint[] {
    return this.#book.endpoints;
  }

  /** The root that it trusts; the newest of several. */
  get newestRoot(): Certificate {
    const root = this.#held.identity.bundle.roots.at(-1);
    if (root) return root;
    throw new TypeError("A bundle without a root"); // unreachable
  }

  /** Digest of the newest root that it trusts. */
  get trustRoot(): string {
    return this.#held.trust.newest;
  }

  get uplink(): UplinkStatus {
    return this.#uplink.status;
  }

  get renewal(): RenewalView {
    return this.#renewal.view;
  }

  /** While the identity is not good any more. */
  get recovery(): RecoveryView | undefined {
    return this.#recovery.view;
  }

  /** @throws {SwarmdError} `removed` when the cluster removed this node */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await runTasks([
        (s) => this.#uplink.run(s),
        (s) => this.#renewing(s),
        (s) => watchClock(this.#ports.clock, (ms) => this.#jumped(ms), s),
        (s) => this.#drill.run(() => this.#uplink.session, s),
      ], signal);
    } finally {
      this.#ended.abort(new SwarmdError("session-ended", "The worker stops"));
      this.#background(this.#book.write());
      await Promise.all(this.#works); // that it was removed is to be remembered
    }
  }

  /** Whether it was removed because it asked for that. */
  get left(): boolean {
    return this.#left;
  }

  /**
   * Has the cluster remove this node.
   *
   * @throws {SwarmdError} `unreachable` without a session, or as the manager says
   */
  async leave(signal: AbortSignal): Promise<void> {
    if (!this.#uplink.status.connected) throw cannotLeave();
    try {
      await this.#uplink.call("node.leave", {}, signal);
    } catch (error) {
      // The cut that every removed node gets may be faster than the answer.
      if (!hasCode(error, "removed")) throw error;
    }
    this.#left = true;
  }

  /** Before the first session nobody can be asked, and that is no failure. */
  async #renewing(signal: AbortSignal): Promise<void> {
    const stop = () => this.#connected.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#connected.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    try {
      await this.#renewal.run(signal);
    } catch (error) {
      if (hasCode(error, "removed")) {
        this.#background(this.#book.refused("removed"));
      }
      throw error;
    }
  }

  /** After a suspend the connection is most likely dead, and nobody knows. */
  #jumped(jumpMs: number): void {
    const { logger } = this.#ports;
    logger.warn("The wall clock jumped, or the machine slept", { jumpMs });
    this.#uplink.requestMove("the clock jumped");
    this.#uplink.hurry();
  }

  /**
   * Back to the identity before; or remembered, so that a join begins anew, and
   * recovered where that is possible.
   */
  async #refused(at: Established, error: SwarmdError): Promise<void> {
    if (await this.#renewal.refused(at.held, error)) return;
    // Said of a certificate that was given up meanwhile, not of the node
    if (recoverableReason(error) && at.held !== this.#held) return;
    this.#recover(at, error);
    await this.#book.refused(error.code);
  }

  /** A clock of the manager alone ends no certificate. */
  #recover(
    { held: used, endpoint, successor }: Established,
    error: SwarmdError,
  ): void {
    const reason = recoverableReason(error);
    if (!reason) return;
    const { notAfter } = used.certificate;
    if (reason === "expired" && this.#ports.clock.now() < notAfter) return;
    const cause = { reason, endpoint };
    this.#recovery.begin({ ...cause, ...(successor && { successor }) });
    // Whatever waits for an answer in it would hold up what comes now.
    this.#uplink.giveUp(error);
    this.#renewal.recover(error);
    this.#connected.resolve();
  }

  #established({ held: used, endpoint }: Established, fresh: boolean): void {
    this.#connected.resolve();
    this.#background(this.#renewal.confirmed(used));
    const { bundle } = used.trust;
    this.#background(this.#book.connected(endpoint, bundle));
    this.#registration.established(used, fresh);
    const { newest } = this.heads;
    // The manager remembers it for as long as the session lives
    if (fresh && newest) this.#uplink.session?.notify("audit.kept", newest);
  }

  #pushed(method: string, raw: unknown): void {
    if (!isPush(method)) return;
    const params = parseAs(PUSHES[method].params, { value: raw, what: method });
    if (method === "drill.number") this.#drill.read(params);
    else if (method === "node.renew-now" && "reason" in params) {
      const changed = "changed" in params && params.changed === true;
      this.#renewal.renewNow({ changed });
    } else if (method === "ca.bundle" && "roots" in params) {
      this.#renewal.adopt(this.#adoption(params));
    } else if (method === "node.rehearse-now" && "rehearsal" in params) {
      this.#background(this.#rehearse(params.rehearsal));
    } else if (method === "cluster.managers" && "addresses" in params) {
      this.#background(this.#book.learned(params.addresses));
    } else if (method === "audit.head" && "hash" in params) this.#head(params);
    else if (method === "cluster.void-managers" && "certificates" in params) {
      this.#heardVoid(params);
    }
  }

  /** It is obeyed at once; the disk follows. */
  #heardVoid({ certificates: told }: VoidManagersParams): void {
    const { logger, clock } = this.#ports;
    const { manager: { nodeId: manager, certificate: from } } =
      this.#uplink.line;
    const { voidManagers: before = [] } = this.#book.membership;
    try {
      const known = hearVoid(before, told, { from, now: clock.now() });
      this.#background(this.#book.knowsVoid(known));
    } catch (error) {
      // Whoever tells it can do so as often as he likes.
      if (this.#badTeller === from.fingerprint) return;
      this.#badTeller = from.fingerprint;
      const told = { manager, error: describeError(error) };
      return logger.error("List of void certificates not taken", told);
    }
    this.#uplink.rejudge();
  }

  /** A manager speaks for its own log only. */
  #head(head: SignedHead): void {
    if (head.manager !== this.#uplink.managerId) return;
    const { certificate } = this.#uplink.line.manager;
    this.#background(this.heads.seen(head, certificate));
  }

  /**
   * Whatever comes of it is told, and changes nothing. One at a time: each
   * costs a key, whoever asks how often.
   */
  async #rehearse(rehearsal: string): Promise<void> {
    if (this.#isRehearsing) return;
    this.#isRehearsing = true;
    const { session } = this.#uplink;
    const { signal } = this.#ended;
    try {
      const problem = await rehearse({
        ...this.#ports,
        held: this.#held,
        ask: (csr) =>
          this.#uplink.call("node.rehearse", { rehearsal, csr }, signal),
      });
      const told = { rehearsal, ...(problem !== undefined && { problem }) };
      session?.notify("node.rehearsed", told); // another one did not ask
    } finally {
      this.#isRehearsing = false;
    }
  }

  #adoption(offer: BundleParams): Adoption {
    const { crypto, clock } = this.#ports;
    return async (held, signal) => {
      const { line } = this.#uplink;
      // All of it as it is when the offer's turn comes, not when it came in.
      const { generation = 0 } = this.#book.membership;
      return await followOffer(this.#ports, {
        ...{ offer, held, signal, generation, endpoint: line.endpoint },
        presented: await presentedOn(line, crypto),
        now: clock.now(),
      });
    };
  }

  async #reload(): Promise<HeldIdentity> {
    const { identity, crypto, clock } = this.#ports;
    const stored = await identity.load();
    if (!stored) throw new SwarmdError("damaged-state", "No identity on disk");
    return await readStored(crypto, stored, { now: clock.now() });
  }

  /** Work that nobody waits for. Its failure is told, and stops nothing. */
  #background(work: Promise<void>): void {
    const told = work.catch((error) => {
      this.#ports.logger.error("Cannot write to the state directory", {
        error: describeError(error),
      });
    }).finally(() => this.#works.delete(told));
    this.#works.add(told);
  }
}

function cannotLeave(): SwarmdError {
  return new SwarmdError(
    "unreachable",
    "Cannot leave: this node has no session with a manager",
    {
      hint:
        "Leave again when `swarmd status` says that it is connected; or remove it on a manager with `swarmd node rm`",
    },
  );
}

function firstRenewal(held: HeldIdentity, { renewAt }: Membership): number {
  const { notBefore, notAfter } = held.certificate;
  const issuedAt = notBefore + LEAF_BACKDATE;
  return Math.min(renewAt, latestRenewal({ issuedAt, notAfter }));
}
