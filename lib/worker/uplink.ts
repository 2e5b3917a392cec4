import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { newId } from "../base/random.ts";
import { SECOND, sleep } from "../base/time.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import {
  type Method,
  METHODS,
  type Params,
  parseAs,
  type Result,
} from "../rpc/methods.ts";
import type { HelloResult } from "../rpc/schemas.ts";
import { PROTOCOL } from "./anonymous.ts";
import { explainSkew } from "./explain_skew.ts";
import { type HeldIdentity, toCredentials } from "./held_identity.ts";
import { type JudgedManager, judgeManager } from "./judge_manager.ts";
import { ManagerConnection } from "./manager_connection.ts";
import { Heart } from "./heart.ts";
import type { WorkerPorts } from "./ports.ts";
import { Presence } from "./presence.ts";
import { isRefusal, reconnectPause } from "./reconnect.ts";
import { WorkerSession } from "./worker_session.ts";

/** Shortest time that a connection is used before a move, in milliseconds. */
const MIN_STAY = 500;

/** An outage of so long is told to the operator, in milliseconds. */
const INTERRUPTED_AFTER = 5 * SECOND;

/** Where a session lives, and what was presented there. */
export interface Established {
  readonly held: HeldIdentity;
  readonly endpoint: Endpoint;
}

/** What an uplink works with. */
export interface UplinkParts extends WorkerPorts {
  /** The identity to present, now. */
  held(): HeldIdentity;
  /** Digest of the trust bundle in use. */
  bundleDigest(): string;
  /** Where managers are, best first. */
  managers(): readonly Endpoint[];
  /** A session began, or went on, at this place and with this identity. */
  established(at: Established, fresh: boolean): void;
  /** A manager that was verified refused this identity. */
  refused(held: HeldIdentity, error: SwarmdError): void;
  /** A push of the manager, in order. */
  pushed(method: string, params: unknown): void;
}

/** What is known of the uplink, for `status`. */
export interface UplinkStatus {
  readonly connected: boolean;
  readonly manager: string | undefined;
  /** Wall clock, in milliseconds. */
  readonly since: number;
  readonly lastError: string | undefined;
  /** Own clock minus the manager's, in milliseconds. */
  readonly skewMs: number | undefined;
  readonly skewAt: number | undefined;
}

/** A connection that serves the session, or is about to. */
interface Line extends Established {
  readonly link: ManagerConnection;
  readonly manager: JudgedManager;
}

/**
 * A worker's way to its managers: it keeps one session alive over as many
 * connections as it takes, and moves it before anything breaks.
 */
export class Uplink {
  readonly #parts: UplinkParts;
  readonly #instance: string;
  readonly #presence: Presence;
  #session: WorkerSession | undefined;
  #line: Line | undefined;
  #wake = Promise.withResolvers<void>();
  /** How many moves were asked for, and how many of these are done. */
  #movesAsked = 0;
  #movesDone = 0;
  /** Monotonic clock when a connection was last taken into use. */
  #takenAt = -Infinity;
  #failures = 0;
  #lostAt: number;
  #lastError: string | undefined;
  #skew: { readonly ms: number; readonly at: number } | undefined;
  #heart: Heart | undefined;
  /** Said by a verified manager, on the connection that it ended. */
  #removed: SwarmdError | undefined;
  /** Ends the pause before the next dial. */
  #hurry = new AbortController();

  constructor(parts: UplinkParts) {
    this.#parts = parts;
    this.#instance = newId(parts.random);
    this.#presence = new Presence(parts);
    this.#lostAt = parts.clock.monotonic();
  }

  get status(): UplinkStatus {
    const line = this.#line;
    return {
      connected: line !== undefined,
      manager: line && formatEndpoint(line.endpoint),
      since: this.#presence.since,
      lastError: this.#lastError,
      skewMs: this.#skew?.ms,
      skewAt: this.#skew?.at,
    };
  }

  /** The session, while there is one; it may wait for its next connection. */
  get session(): WorkerSession | undefined {
    return this.#session;
  }

  /** @throws {SwarmdError} when no session is there, or as the manager says */
  async call<M extends Method>(
    method: M,
    params: Params<M>,
    signal: AbortSignal,
  ): Promise<Result<M>> {
    if (!this.#session) {
      throw new SwarmdError("unreachable", `Cannot ask ${method}: no session`);
    }
    const raw = await this.#session.call(method, params, signal);
    return parseAs(METHODS[method].result, {
      value: raw,
      what: method,
    }) as Result<M>;
  }

  /** Opens the next connection and moves the session to it, soon. */
  requestMove(reason: string): void {
    this.#parts.logger.debug("The session is to move", { reason });
    this.#movesAsked++;
    this.#wake.resolve();
  }

  /** Dials at once if it waits to: what stood in the way may be gone. */
  hurry(): void {
    this.#hurry.abort();
  }

  /**
   * Keeps the session until the signal is aborted.
   *
   * @throws {SwarmdError} `removed` when a verified manager says so
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake.resolve();
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!signal.aborted) await this.#turn(signal);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#heart?.stop();
      if (signal.aborted) this.#presence.leave();
      this.#session?.end(
        new SwarmdError("session-ended", "Session ended: the worker stops"),
      );
      this.#line?.link.retire();
      this.#line = undefined;
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#removed) throw this.#removed;
    if (this.#line && this.#movesAsked === this.#movesDone) {
      return await this.#nextWake();
    }
    try {
      await this.#settle(signal);
      await this.#establish(signal);
      this.#failures = 0;
      this.#lastError = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(error);
      if (hasCode(error, "removed")) throw error;
      await this.#pause(error, signal);
    }
  }

  /** Whatever a manager asks, connections are not changed in a tight loop. */
  async #settle(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const waitMs = this.#takenAt + MIN_STAY - clock.monotonic();
    if (this.#line && waitMs > 0) await sleep(clock, waitMs, signal);
  }

  async #nextWake(): Promise<void> {
    await this.#wake.promise;
    this.#wake = Promise.withResolvers<void>();
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#lastError = describeError(error);
    const level = this.#failures === 1 ? "warn" : "debug";
    this.#parts.logger[level]("No session with a manager", {
      error: this.#lastError,
      failures: this.#failures,
    });
    if (!this.#line && this.#isLong(error)) {
      this.#presence.interrupted(this.#lastError);
    }
  }

  /** A cut that the session survives a moment later is no interruption. */
  #isLong(error: unknown): boolean {
    const outageMs = this.#parts.clock.monotonic() - this.#lostAt;
    return outageMs >= INTERRUPTED_AFTER || isRefusal(error);
  }

  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    const outageMs = clock.monotonic() - this.#lostAt;
    const outage = { failures: this.#failures, error, outageMs };
    this.#hurry = new AbortController();
    const either = AbortSignal.any([signal, this.#hurry.signal]);
    // Hurried, or the end of the loop that calls this: neither is a failure.
    await sleep(clock, reconnectPause(outage, random), either).catch(() => {});
  }

  async #establish(signal: AbortSignal): Promise<void> {
    const endpoints = this.#parts.managers();
    const endpoint = endpoints[this.#failures % endpoints.length];
    if (!endpoint) {
      throw new SwarmdError("unreachable", "No manager's address is known");
    }
    const asked = this.#movesAsked;
    const line = await this.#dial(endpoint, signal);
    const stop = () => line.link.retire();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#greet(line);
    } catch (error) {
      line.link.retire();
      if (error instanceof SwarmdError) this.#refused(line.held, error);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    this.#movesDone = asked;
  }

  #refused(held: HeldIdentity, error: SwarmdError): void {
    if (hasCode(error, "session-ended")) this.#session?.end(error);
    else if (isRefusal(error)) this.#parts.refused(held, error);
  }

  async #dial(endpoint: Endpoint, signal: AbortSignal): Promise<Line> {
    const { clock, crypto, dialer } = this.#parts;
    const held = this.#parts.held();
    const connection = await explainSkew(this.#parts, {
      endpoint,
      dial: () => dialer.dial(endpoint, toCredentials(held), signal),
    });
    try {
      const { clusterId } = held;
      const now = clock.now();
      const manager = await judgeManager(crypto, connection, {
        clusterId,
        now,
      });
      const link: ManagerConnection = new ManagerConnection(connection, {
        clock,
        events: {
          message: (message) => this.#session?.receive(link, message),
          heartbeat: (beat) => this.#beaten(link, beat),
          move: (reason) => this.requestMove(reason),
          closed: (error) => this.#closed(link, error),
        },
      });
      return { link, held, manager, endpoint };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #greet(line: Line): Promise<void> {
    const resumed = this.#session && await this.#hello(line, this.#session);
    if (resumed) return;
    this.#session?.end(
      new SwarmdError("session-ended", "The manager does not know the session"),
    );
    const session = this.#newSession();
    if (!await this.#hello(line, session)) {
      throw new SwarmdError("bad-message", "The manager opened no session");
    }
  }

  /** @returns false when the manager does not know the session */
  async #hello(line: Line, session: WorkerSession): Promise<boolean> {
    const { clock, version } = this.#parts;
    const asked = clock.now();
    const { id, lastSeen } = session;
    const resume = session.opened;
    let taken = false;
    const answer = await line.link.ask("hello", {
      params: {
        protocols: [PROTOCOL],
        version,
        features: ["drill"],
        session: { id, lastSeen, resume, instance: this.#instance },
        bundle: this.#parts.bundleDigest(),
      },
      answered: (hello) => {
        taken = this.#take(line, session, hello);
      },
    });
    this.#measure(answer.now, asked);
    return taken;
  }

  /** In the turn of the answer: the session goes on here, and only here. */
  #take(line: Line, session: WorkerSession, hello: HelloResult): boolean {
    const { session: theirs } = hello;
    if (theirs?.id !== session.id) return false;
    if (session.opened && !theirs.resumed) return false;
    const fresh = !session.opened;
    const before = this.#line;
    line.link.connection.admit();
    session.attach(line.link, theirs.lastSeen);
    this.#session = session;
    this.#line = line;
    this.#takenAt = this.#parts.clock.monotonic();
    if (before && before !== line) before.link.retire();
    this.#parts.pushed("cluster.managers", { addresses: hello.managers });
    this.#heart?.stop();
    this.#heart = new Heart({
      clock: this.#parts.clock,
      heartbeatMs: hello.heartbeatMs,
      beat: () => this.#beat(line),
      silent: () => this.#halfOpen(line),
    });
    this.#presence.connected({
      node: line.held.nodeId,
      manager: formatEndpoint(line.endpoint),
    });
    this.#parts.established(line, fresh);
    return true;
  }

  #newSession(): WorkerSession {
    const { clock, random, logger } = this.#parts;
    return new WorkerSession({
      id: newId(random),
      clock,
      logger,
      pushed: (method, params) => this.#parts.pushed(method, params),
      ended: (session, error) => {
        if (this.#session !== session) return;
        this.#session = undefined;
        this.#presence.interrupted(error.message);
        this.#line?.link.retire();
        this.#lose();
      },
    });
  }

  #closed(link: ManagerConnection, error: SwarmdError): void {
    if (this.#line?.link !== link) return;
    this.#parts.logger.info("Connection to the manager ended", {
      error: describeError(error),
    });
    if (hasCode(error, "removed")) {
      this.#removed = error;
      this.#parts.refused(this.#line.held, error);
    }
    // The manager stops, or another machine has it: that is the reason told.
    if (
      this.#session && hasCode(error, "conflict", "session-ended", "removed")
    ) {
      return this.#session.end(error);
    }
    this.#session?.detach(link);
    this.#lose();
  }

  #lose(): void {
    this.#line = undefined;
    this.#lostAt = this.#parts.clock.monotonic();
    this.#heart?.stop();
    this.#wake.resolve();
  }

  #beat(line: Line): void {
    const { clock } = this.#parts;
    if (clock.now() >= line.manager.certificate.notAfter) {
      this.requestMove("the manager's certificate ended");
    }
    line.link.beat(clock.now());
  }

  #halfOpen(line: Line): void {
    this.#closed(
      line.link,
      new SwarmdError("timed-out", "The manager did not answer heartbeats"),
    );
    line.link.connection.destroy();
  }

  #beaten(
    link: ManagerConnection,
    beat: { readonly now: number; readonly nextMs?: number },
  ): void {
    if (this.#line?.link !== link) return;
    this.#measure(beat.now, this.#parts.clock.now());
    this.#heart?.answered(beat.nextMs);
  }

  /** Their clock explains; it decides nothing. */
  #measure(theirs: number, asked: number): void {
    const now = this.#parts.clock.now();
    const ms = (asked + now) / 2 - theirs;
    const before = this.#skew?.ms ?? 0;
    this.#skew = { ms, at: now };
    const limit = 60 * SECOND;
    if (Math.abs(ms) > limit && Math.abs(before) <= limit) {
      this.#parts.logger.warn("This machine's clock and the manager's differ", {
        skewMs: Math.round(ms),
      });
    }
  }
}
