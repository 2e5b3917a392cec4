import { SwarmdError } from "../base/errors.ts";
import { LogThrottle } from "../base/log_throttle.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import { silenceLimit } from "../cluster/liveness.ts";
import type { NodeRecord } from "../cluster/node.ts";
import type { LiveFacts } from "../cluster/rotation_progress.ts";
import type { Store } from "../cluster/store.ts";
import {
  NO_TAKEOVERS,
  takeOver,
  type Takeovers,
} from "../cluster/takeovers.ts";
import type { Push, PushParams } from "../rpc/methods.ts";
import { type Carrier, NodeSession } from "./node_session.ts";

/** Bytes that all sessions together may hold (trust.md §4). */
const MAX_QUEUED_BYTES = 256 * 1024 * 1024;

/** How long a silent node's session waits for it to resume, in milliseconds. */
const KEEP_MS = 10 * 60_000;

/** What the sessions work with. */
export interface SessionsParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  serve(session: NodeSession, method: string, params: unknown): unknown;
  notified(session: NodeSession, method: string, params: unknown): void;
}

/** Which session a node wants. */
export interface WantedSession {
  readonly id: string;
  readonly instance: string;
  readonly lastSeen: number;
  readonly resume: boolean;
  /** Digest of the bundle that the node verified this manager with. */
  readonly trusts?: string;
}

/** Whether a node is there: `unknown` until it was seen by this process. */
export type Liveness = "ready" | "down" | "unknown";

/** The sessions that this manager holds, one a node: the newest wins. */
export class Sessions {
  readonly #parts: SessionsParts;
  /** A node takes its own session over as often as it connects. */
  readonly #throttle: LogThrottle;
  readonly #sessions = new Map<string, NodeSession>();
  readonly #down = new Map<string, number>();
  readonly #takeovers = new Map<string, Takeovers>();
  /** When this process began to listen to nodes: wall clock, monotonic. */
  readonly #began: { readonly at: number; readonly mark: number };

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#throttle = new LogThrottle(logger, clock);
    this.#began = { at: clock.now(), mark: clock.monotonic() };
  }

  of(nodeId: string): NodeSession | undefined {
    return this.#sessions.get(nodeId);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** How far the clocks of connected nodes are ahead, where that is known. */
  get skewsMs(): ReadonlyMap<string, number> {
    const skews = new Map<string, number>();
    for (const { nodeId, connection, skewMs } of this.#sessions.values()) {
      if (connection && skewMs !== undefined) skews.set(nodeId, skewMs);
    }
    return skews;
  }

  [Symbol.iterator](): IterableIterator<NodeSession> {
    return this.#sessions.values();
  }

  liveness(nodeId: string): Liveness {
    if (this.#sessions.has(nodeId) && !this.#down.has(nodeId)) return "ready";
    return this.#down.has(nodeId) ? "down" : "unknown";
  }

  /** Wall clock of the last sign of life since this process started. */
  lastSeen(nodeId: string): number | undefined {
    return this.#sessions.get(nodeId)?.lastSeen ?? this.#down.get(nodeId);
  }

  /** Ids of nodes that are down, and when they were seen last. */
  get absent(): Iterable<readonly [nodeId: string, lastSeen: number]> {
    return this.#down;
  }

  /**
   * Since when a node that is not connected has not been seen, in
   * milliseconds: where nobody has written that down, since this process
   * started.
   *
   * @returns `undefined` for one that was never seen, or that may not have had
   * the time to come back to this process
   */
  unseenSince(node: NodeRecord, heartbeatMs: number): number | undefined {
    if (node.firstSeen === undefined) return undefined;
    const seen = this.lastSeen(node.id) ?? node.absentSince;
    if (seen !== undefined) return seen;
    return this.isNew(heartbeatMs) ? undefined : this.#began.at;
  }

  /** Whether nodes may not have had the time to come to this process. */
  isNew(heartbeatMs: number): boolean {
    const upMs = this.#parts.clock.monotonic() - this.#began.mark;
    return upMs < silenceLimit(heartbeatMs);
  }

  /** What only this process knows of a node. */
  liveFacts(node: NodeRecord, heartbeatMs: number): LiveFacts {
    const session = this.#sessions.get(node.id);
    if (session?.connection) {
      const { problem: failing } = session;
      return failing === undefined ? {} : { failing };
    }
    const downSince = this.unseenSince(node, heartbeatMs);
    return downSince === undefined ? {} : { downSince };
  }

  /**
   * Opens or resumes a node's session.
   *
   * @returns `undefined` when it is to resume and is not known here
   */
  async open(
    connection: Carrier,
    nodeId: string,
    wanted: WantedSession,
  ): Promise<NodeSession | undefined> {
    const present = this.#sessions.get(nodeId);
    if (wanted.resume) {
      const same = present?.id === wanted.id &&
        present.instance === wanted.instance;
      if (!same) return undefined;
      this.#down.delete(nodeId);
      return present;
    }
    // Another may open one while this waits; the newest wins.
    for (let other = present; other; other = this.#sessions.get(nodeId)) {
      await this.#replace(other, connection, wanted);
    }
    const session = this.#make(nodeId, wanted);
    this.#sessions.set(nodeId, session);
    this.#down.delete(nodeId);
    return session;
  }

  push<P extends Push>(nodeId: string, method: P, params: PushParams<P>): void {
    this.#sessions.get(nodeId)?.push(method, params);
  }

  pushAll<P extends Push>(method: P, params: PushParams<P>): void {
    for (const session of this.#sessions.values()) session.push(method, params);
  }

  /** Marks the silent as down, and bounds what all sessions hold. */
  sweep(heartbeatMs: number): void {
    const now = this.#parts.clock.monotonic();
    let queued = 0;
    let largest: NodeSession | undefined;
    for (const session of this.#sessions.values()) {
      const limitMs = silenceLimit(heartbeatMs);
      if (now - session.lastBeat > limitMs) this.#silent(session, limitMs);
      queued += session.queuedBytes;
      if (session.queuedBytes > (largest?.queuedBytes ?? 0)) largest = session;
    }
    if (queued > MAX_QUEUED_BYTES) {
      largest?.end(
        new SwarmdError("too-busy", "Session ended: it queued the most"),
      );
    }
  }

  /** Ends a node's session, for good. */
  end(nodeId: string, error: SwarmdError): void {
    this.#sessions.get(nodeId)?.end(error);
    this.#down.delete(nodeId);
    this.#takeovers.delete(nodeId);
  }

  endAll(error: SwarmdError): void {
    for (const session of [...this.#sessions.values()]) session.end(error);
  }

  #make(nodeId: string, wanted: WantedSession): NodeSession {
    return new NodeSession({
      id: wanted.id,
      instance: wanted.instance,
      nodeId,
      clock: this.#parts.clock,
      serve: this.#parts.serve,
      notified: this.#parts.notified,
      ended: (session, error) => this.#ended(session, error),
    });
  }

  #ended(session: NodeSession, error: SwarmdError): void {
    session.connection?.refuse(error);
    if (this.#sessions.get(session.nodeId) !== session) return;
    this.#sessions.delete(session.nodeId);
    this.#down.set(session.nodeId, session.lastSeen);
  }

  #silent(session: NodeSession, limitMs: number): void {
    const { nodeId, lastSeen } = session;
    if (!this.#down.has(nodeId)) {
      this.#parts.logger.warn("Node is down", { node: nodeId, lastSeen });
    }
    this.#down.set(nodeId, lastSeen);
    // Half-open: the connection would never tell by itself.
    const { connection } = session;
    connection?.refuse(
      new SwarmdError("timed-out", "Connection closed: no heartbeat came"),
    );
    const silentMs = this.#parts.clock.monotonic() - session.lastBeat;
    if (silentMs > limitMs + KEEP_MS) {
      session.end(new SwarmdError("session-ended", "Session ended: silent"));
    }
  }

  async #replace(
    present: NodeSession,
    connection: Carrier,
    wanted: WantedSession,
  ): Promise<void> {
    const { host } = connection.connection.facts.remote;
    const old = present.connection?.connection.facts.remote.host;
    const text = `Session ended: taken over by a connection from ${host}`;
    const error = new SwarmdError("conflict", text, {
      hint: "If this was not you, another machine has a copy of the identity",
    });
    if (present.instance !== wanted.instance && present.connection) {
      await this.#judgeTakeover(present, wanted, { host, old: old ?? "" });
    }
    present.end(error);
  }

  async #judgeTakeover(
    present: NodeSession,
    wanted: WantedSession,
    seen: { readonly host: string; readonly old: string },
  ): Promise<void> {
    const { nodeId } = present;
    const { clock, store } = this.#parts;
    const { takeovers, conflict } = takeOver(
      this.#takeovers.get(nodeId) ?? NO_TAKEOVERS,
      { from: present.instance, to: wanted.instance, now: clock.now() },
    );
    this.#takeovers.set(nodeId, takeovers);
    this.#throttle.warn("Session taken over", { node: nodeId, ...seen });
    if (!conflict) return;
    const why = `used from ${seen.old} and from ${seen.host}`;
    this.#takeovers.delete(nodeId);
    await store.update((tx) => {
      const node = tx.get("node", nodeId);
      if (!node || node.admission !== "active") return;
      const at = clock.now();
      const conflict = { at, addresses: [seen.host, seen.old] };
      tx.put("node", nodeId, { ...node, admission: "conflict", conflict });
      audit(tx, { at, action: "conflict", node: nodeId, by: "manager", why });
    });
    throw new SwarmdError("conflict", `Two machines use one identity: ${why}`);
  }
}
