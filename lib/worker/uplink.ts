import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { newId } from "../base/random.ts";
import { SECOND, sleep, WOKEN } from "../base/time.ts";
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
import type { HeldIdentity } from "./held_identity.ts";
import type { ManagerDial } from "./dial_manager.ts";
import {
  type Established,
  giveUpVoid,
  greet,
  type Line,
  openLine,
  type UplinkStatus,
} from "./line.ts";
import type { ManagerConnection } from "./manager_connection.ts";
import { Heart } from "./heart.ts";
import type { WorkerPorts } from "./ports.ts";
import { MovePace } from "./move_pace.ts";
import { Presence } from "./presence.ts";
import { isRefusal, reconnectPause } from "./reconnect.ts";
import { SkewMeter } from "./skew_meter.ts";
import { WorkerSession } from "./worker_session.ts";

/** An outage of so long is told to the operator, in milliseconds. */
const INTERRUPTED_AFTER = 5 * SECOND;

/** What an uplink works with. */
export interface UplinkParts extends WorkerPorts, Pick<ManagerDial, "voids"> {
  /** The identity to present, now. */
  held(): HeldIdentity;
  /** Highest generation of a root that was ever adopted; 0: not known. */
  generation(): number;
  /** Where managers are, best first. */
  managers(): readonly Endpoint[];
  /** A session began, or went on, at this place and with this identity. */
  established(at: Established, fresh: boolean): void;
  /** A manager that was verified refused this identity. */
  refused(at: Established, error: SwarmdError): void;
  /** A push of the manager, in order. */
  pushed(method: string, params: unknown): void;
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
  /** About to take its place. */
  #next: Line | undefined;
  #wake = Promise.withResolvers<void>();
  /** How many moves were asked for, and how many of these are done. */
  #movesAsked = 0;
  #movesDone = 0;
  readonly #pace = new MovePace();
  #failures = 0;
  #lostAt: number;
  #lastError: string | undefined;
  readonly #clocks: SkewMeter;
  #heart: Heart | undefined;
  /** Said by a verified manager, on the connection that it ended. */
  #removed: SwarmdError | undefined;
  /** Ends the pause before the next dial. */
  #hurry = new AbortController();

  constructor(parts: UplinkParts) {
    this.#parts = parts;
    this.#instance = newId(parts.random);
    this.#presence = new Presence(parts);
    this.#clocks = new SkewMeter(parts);
    this.#lostAt = parts.clock.monotonic();
  }

  get status(): UplinkStatus {
    const line = this.#line;
    return {
      connected: line !== undefined,
      manager: line && formatEndpoint(line.endpoint),
      since: this.#presence.since,
      lastError: this.#lastError,
      skew: this.#clocks.skew,
    };
  }

  /** Id of the manager that the session lives on, as its certificate says. */
  get managerId(): string | undefined {
    return this.#line?.manager.nodeId;
  }

  /** What holds the session. @throws {SwarmdError} `unreachable` when nothing does */
  get line(): Line {
    if (this.#line) return this.#line;
    throw new SwarmdError("unreachable", "No manager is there");
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

  /** Ends the session: the identity that it belongs to is good no more. */
  giveUp(error: SwarmdError): void {
    this.#session?.end(error);
  }

  /** More certificates are void: no connection to whoever has one is kept. */
  rejudge(): void {
    giveUpVoid([this.#line, this.#next], this.#parts.voids());
  }

  /** Dials at once if it waits to: what stood in the way may be gone. */
  hurry(): void {
    this.#hurry.abort(WOKEN);
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

  async #settle(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const waitMs = this.#pace.waitMs(clock.monotonic());
    if (this.#line && waitMs > 0) await sleep(clock, waitMs, signal);
  }

  async #nextWake(): Promise<void> {
    await this.#wake.promise;
    this.#wake = Promise.withResolvers<void>();
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#lastError = describeError(error);
    this.#clocks.suspect(error);
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
    const line = this.#next = await this.#open(endpoint, signal);
    const stop = () => line.link.retire();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#greet(line);
    } catch (error) {
      line.link.retire();
      if (error instanceof SwarmdError) this.#refused(line, error);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#next = undefined;
    }
    this.#movesDone = asked;
  }

  #refused(line: Line, error: SwarmdError): void {
    if (hasCode(error, "session-ended")) this.#session?.end(error);
    else if (isRefusal(error)) this.#parts.refused(line, error);
  }

  async #open(endpoint: Endpoint, signal: AbortSignal): Promise<Line> {
    const { held, generation, voids } = this.#parts;
    return await openLine(this.#parts, {
      ...{ endpoint, held: held(), generation: generation(), voids, signal },
      events: {
        message: (link, message) => this.#session?.receive(link, message),
        beaten: (link, beat) => this.#beaten(link, beat),
        move: (reason) => this.requestMove(reason),
        closed: (link, error) => this.#closed(link, error),
      },
    });
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
    let taken = false;
    const answer = await greet(line, {
      ...{ session, version, instance: this.#instance },
      answered: (hello) => {
        taken = this.#take(line, session, hello);
      },
    });
    this.#clocks.measure(answer.now, asked);
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
    this.#pace.moved(this.#parts.clock.monotonic());
    if (before && before !== line) before.link.retire();
    this.#parts.pushed("cluster.managers", { addresses: hello.managers });
    this.#heart?.stop();
    this.#heart = new Heart({
      clock: this.#parts.clock,
      heartbeatMs: hello.heartbeatMs,
      firstMs: hello.nextMs,
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
      this.#parts.refused(this.#line, error);
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
    const text = "The manager did not answer heartbeats";
    line.link.giveUp(new SwarmdError("timed-out", text));
  }

  #beaten(
    link: ManagerConnection,
    beat: { readonly now: number; readonly nextMs?: number },
  ): void {
    if (this.#line?.link !== link) return;
    this.#clocks.measure(beat.now, this.#parts.clock.now());
    this.#heart?.answered(beat.nextMs);
  }
}
