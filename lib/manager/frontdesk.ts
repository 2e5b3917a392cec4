import type { Bytes } from "../base/bytes.ts";
import {
  describeError,
  type ErrorCode,
  hasCode,
  SwarmdError,
} from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { LogThrottle } from "../base/log_throttle.ts";
import type { Random } from "../base/random.ts";
import { type Clock, MINUTE } from "../base/time.ts";
import type { NodePeer, Peer } from "../cluster/admission.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import { withTrusts } from "../cluster/known_bundle.ts";
import { nextBeat } from "../cluster/liveness.ts";
import { recordSeen } from "../cluster/seen.ts";
import type { Change, Store, View } from "../cluster/store.ts";
import type { Connection, PeerFacts } from "../rpc/connection.ts";
import type { Method } from "../rpc/methods.ts";
import type { HelloResult } from "../rpc/schemas.ts";
import { Absences } from "./absences.ts";
import type { Gatekeeper } from "./gatekeeper.ts";
import type { Handlers, ServedCall } from "./handlers.ts";
import { mustCluster } from "./records.ts";
import type { Desk, Guest } from "./desk.ts";
import { NodeConnection, PROTOCOL } from "./node_connection.ts";
import { type Carrier, type NodeSession, pushOn } from "./node_session.ts";
import type { Refusals } from "./refusals.ts";
import { cut, Roster } from "./roster.ts";
import { SessionCalls } from "./session_calls.ts";
import { VoidManagers } from "./void_managers.ts";
import { Sessions, type WantedSession } from "./sessions.ts";
import type { Tokens } from "./tokens.ts";
import type { WaitingRoom } from "./waiting_room.ts";

/**
 * Shortest time between two heads that a node is told, in milliseconds. Each
 * costs it a check, and while a root is rotated there is a new one with every
 * beat: of 1,000 nodes, each judged six of them in one rotation.
 */
const HEAD_TOLD_MS = MINUTE;

/** What the front desk works with. */
export interface FrontdeskParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly store: Store;
  readonly gatekeeper: Gatekeeper;
  readonly tokens: Tokens;
  readonly handlers: Handlers;
  readonly version: string;
  /** Id of this manager's node. */
  readonly nodeId: string;
  /** Is told of every session that opens or goes on. */
  readonly opened?: (nodeId: string) => void;
  /** Is told when a node is no manager any more, whose certificate still says so. */
  readonly tookBack?: () => void;
  readonly refusals: Refusals;
  /** SHA-256 of the certificate that new handshakes get, lower-case hex. */
  leafFingerprint(): string;
  /** What sessions are told of the audit log. */
  auditHead(): SignedHead | undefined;
}

/** Receives connections, says who they are, and holds their sessions. */
export class Frontdesk implements Desk {
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly #absences: Absences;
  readonly #parts: FrontdeskParts;
  /** Strangers and nodes can cause these lines as often as they like. */
  readonly #throttle: LogThrottle;
  readonly #roster: Roster;
  readonly #voids: VoidManagers;
  readonly #unwatch: () => void;
  #refusals = 0;
  /** Who used the manager's own key, with which certificate. */
  #thief: { readonly by: string; readonly fingerprint: string } | undefined;
  #closing = false;

  constructor(parts: FrontdeskParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#throttle = new LogThrottle(parts.logger, parts.clock);
    this.#roster = new Roster(parts);
    const calls = new SessionCalls({ ...parts, throttle: this.#throttle });
    this.sessions = new Sessions({
      store: parts.store,
      clock: parts.clock,
      logger: parts.logger,
      serve: (session, name, params) =>
        calls.serve(session, { name, params, kind: "request" }),
      notified: (session, name, params) =>
        calls.notified(session, { name, params, kind: "notification" }),
    });
    this.#absences = new Absences({ ...parts, sessions: this.sessions });
    this.#voids = new VoidManagers({ ...parts, sessions: this.sessions });
    this.#unwatch = parts.store.watch((changes) => {
      for (const change of changes) {
        if (change.kind === "node") this.#changed(change);
        if (change.kind === "cluster") this.#tellManagers(change);
      }
    });
  }

  /** Where those have their place who wait for an operator. */
  get waitingRoom(): WaitingRoom {
    return this.#parts.handlers.waitingRoom;
  }

  /** Open connections of nodes. */
  get connections(): number {
    return this.#roster.size;
  }

  /**
   * Connections that were refused for who they are, since this process
   * started; those that merely broke or were too slow do not count.
   */
  get refusals(): number {
    return this.#refusals;
  }

  /** Whether workers need its word under a newer certificate of its own. */
  get isBehind(): boolean {
    return this.#voids.isBehind;
  }

  /** That the key that this manager has now is in other hands. */
  get alarm(): string | undefined {
    if (!this.#thief) return undefined; // nothing may be served yet
    const { by, fingerprint } = this.#thief;
    if (fingerprint !== this.servingWith()) return undefined;
    return `Somebody at ${by} uses this manager's own key: give it another one with \`swarmd node renew ${this.#parts.nodeId}\``;
  }

  accept(connection: Connection): void {
    // Whoever comes back while this manager stops would only be cut again.
    if (this.#closing) return connection.destroy();
    new NodeConnection(connection, this);
  }

  servingWith(): string {
    return this.#parts.leafFingerprint();
  }

  close(): void {
    this.#closing = true;
    this.#unwatch();
    this.#voids.close();
    const error = new SwarmdError(
      "session-ended",
      "Session ended: the manager stops",
    );
    this.sessions.endAll(error);
    this.waitingRoom.close(error);
  }

  async identify(facts: PeerFacts): Promise<Peer> {
    return await this.#parts.gatekeeper.identify(facts);
  }

  greeting(): HelloResult {
    const cluster = this.#parts.store.view(mustCluster);
    return {
      protocol: PROTOCOL,
      version: this.#parts.version,
      features: cluster.drill ? ["drill"] : [],
      now: this.clock.now(),
      cluster: cluster.id,
      manager: this.#parts.nodeId,
      heartbeatMs: cluster.heartbeatMs,
      managers: [...cluster.managers],
    };
  }

  async prove(
    token: string,
    challenge: { readonly nonce: Bytes; readonly leafFingerprint: string },
  ): Promise<Bytes | undefined> {
    return await this.#parts.tokens.prove(token, challenge);
  }

  /** Opens or resumes the session that a proved node asks for in its `hello`. */
  async openSession(
    carrier: Carrier,
    peer: NodePeer,
    wanted: WantedSession,
  ): Promise<NodeSession | undefined> {
    if (peer.certificate === "previous") {
      throw new SwarmdError(
        "replaced",
        "Cannot open a session: the certificate was replaced",
      );
    }
    const { nodeId } = peer;
    if (nodeId === this.#parts.nodeId) throw this.#stolen(carrier, peer);
    await this.#seen(peer, wanted.trusts);
    const session = await this.sessions.open(carrier, nodeId, wanted);
    // It may have been removed while its session was waited for.
    const isHere = this.#parts.store.view((view) => view.get("node", nodeId));
    if (!isHere) throw this.#removed(nodeId);
    if (session) this.#absences.came(nodeId);
    return session;
  }

  /** A session lives on a connection now, and can be written to. */
  attached(nodeId: string): void {
    this.#parts.opened?.(nodeId);
    const session = this.sessions.of(nodeId);
    if (session) this.#voids.tell(session);
  }

  /** A call of a connection that has no session. */
  async serveOutside(
    method: Method,
    call: ServedCall,
  ): Promise<unknown> {
    return await this.#parts.handlers.serve(method, call);
  }

  /** When the next beat of a session is wanted, in milliseconds. */
  nextBeat(): number {
    const { heartbeatMs } = this.#parts.store.view(mustCluster);
    return nextBeat(heartbeatMs, this.#parts.random);
  }

  /** A beat of a session's worker; it is answered with the next period. */
  beat(session: NodeSession, theirNow: number): void {
    const now = this.clock.now();
    session.beat();
    session.skewMs = theirNow - now;
    const nextMs = this.nextBeat();
    const { connection } = session;
    if (connection) pushOn(connection.connection, "heartbeat", { now, nextMs });
    const sinceHead = this.clock.monotonic() - session.toldHead.at;
    if (sinceHead >= HEAD_TOLD_MS) this.#tellHead(session);
  }

  /** All at once, before they end: the next beat is for another process. */
  tellHeads(): void {
    for (const session of this.sessions) this.#tellHead(session);
  }

  /** With a beat, so that a fleet is not told in the same moment. */
  #tellHead(session: NodeSession): void {
    const head = this.#parts.auditHead();
    const { sequence } = session.toldHead;
    if (!head || head.sequence === sequence || !session.roomy) return;
    const at = this.clock.monotonic();
    session.toldHead = { sequence: head.sequence, at };
    session.push("audit.head", head);
  }

  /** Nothing is heard of this connection any more. */
  gone(guest: Guest, error?: unknown): void {
    this.#roster.remove(guest);
    const { admittedAs: node, connection } = guest;
    this.#parts.logger.debug("Connection closed", {
      remote: connection.facts.remote.host,
      ...(node !== undefined && { node }),
      ...(error !== undefined && { error: String(error) }),
    });
  }

  refused(guest: Guest, error: SwarmdError): void {
    const broke = hasCode(error, "timed-out", "session-ended", "bad-frame");
    if (!broke) this.#refusals++;
    const { peer, connection } = guest;
    this.#note(guest, error);
    this.#throttle.warn("Connection refused", {
      code: error.code,
      why: describeError(error),
      remote: connection.facts.remote.host,
      ...("nodeId" in peer && { node: peer.nodeId }),
    });
  }

  /** Asks every connection that the test picks to move, at most so many now. */
  moveWhere(
    picked: (carrier: Carrier) => boolean,
    options: { readonly most: number; readonly reason: string },
  ): number {
    let moved = 0;
    for (const { connection } of this.sessions) {
      if (moved >= options.most) break;
      if (!connection || !picked(connection)) continue;
      connection.move(options.reason);
      moved++;
    }
    return moved;
  }

  /** Writes down what is known of nodes, and can wait a moment. */
  async writeNotes(): Promise<void> {
    await this.#parts.handlers.descriptions.round();
    await this.#absences.round();
  }

  /** Closes connections whose certificate is no longer accepted. */
  sweep(): void {
    this.#roster.sweep();
  }

  /** From now on the connection is judged again when its node's record changes. */
  admitted(guest: Guest, nodeId: string): void {
    this.#roster.add(guest, nodeId);
  }

  /** This manager asks nobody for a session: whoever does has its key. */
  #stolen({ connection }: Carrier, { fingerprint }: NodePeer): SwarmdError {
    const { nodeId: node, refusals, logger } = this.#parts;
    const by = connection.facts.remote.host;
    const error = new SwarmdError(
      "not-owner",
      "Cannot open a session: the identity is this manager's own",
      { verdict: "stop" },
    );
    refusals.note({ node, by, error });
    if (this.#thief?.fingerprint !== fingerprint) {
      logger.error("Somebody uses this manager's own key", { node, by });
    }
    this.#thief = { by, fingerprint };
    return error;
  }

  /** Of those who proved who they are: what a leaf claims may be made up. */
  #note({ peer, connection }: Guest, error: SwarmdError): void {
    const by = connection.facts.remote.host;
    const proven = peer.kind === "recovering" ||
      (peer.kind === "refused" && PROVEN.has(peer.code));
    if (!proven || peer.nodeId === undefined) return;
    this.#parts.refusals.note({ node: peer.nodeId, by, error });
  }

  #tellManagers(change: Extract<Change, { kind: "cluster" }>): void {
    const addresses = [...change.after?.managers ?? []];
    if (addresses.join() === change.before?.managers.join()) return;
    this.sessions.pushAll("cluster.managers", { addresses });
  }

  #changed({ id, after }: Extract<Change, { kind: "node" }>): void {
    this.#roster.rejudge(id);
    // What its session had still to say is not for it any more.
    if (!after) this.#removed(id);
  }

  #removed(nodeId: string): SwarmdError {
    const error = cut("removed", `node ${nodeId} was removed`);
    this.sessions.end(nodeId, error);
    return error;
  }

  /**
   * A connection presented `pending`: it becomes `current`. And what its node
   * trusts was said on a connection that was verified with just that. Both
   * durably, before anything is answered.
   */
  async #seen(peer: NodePeer, digest: string | undefined): Promise<void> {
    const { store } = this.#parts;
    const { nodeId } = peer;
    const changed = (view: View) => {
      const node = view.get("node", nodeId);
      if (!node || digest === undefined) return undefined;
      const next = withTrusts(node, { cluster: mustCluster(view), digest });
      return next === node ? undefined : next;
    };
    if (peer.certificate !== "pending" && !store.view(changed)) return;
    const seen = { ...peer, now: this.clock.now() };
    await store.update((tx) => {
      recordSeen(tx, seen);
      const node = changed(tx);
      if (node) tx.put("node", nodeId, node);
    });
  }
}

/** Said only after the chain was verified, see `judgePeer`. */
const PROVEN: ReadonlySet<ErrorCode> = new Set([
  "suspended",
  "conflict",
  "expired",
  "not-yet-valid",
]);
