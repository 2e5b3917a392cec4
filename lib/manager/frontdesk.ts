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
import type { Clock } from "../base/time.ts";
import { type NodePeer, type Peer, whyFrozen } from "../cluster/admission.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import { nextBeat } from "../cluster/liveness.ts";
import { acceptedAs } from "../cluster/node.ts";
import { recordSeen } from "../cluster/seen.ts";
import type { Change, Store } from "../cluster/store.ts";
import { authorize } from "../rpc/authorize.ts";
import type { Connection, PeerFacts } from "../rpc/connection.ts";
import { type Method, METHODS, parseAs } from "../rpc/methods.ts";
import type { HelloResult } from "../rpc/schemas.ts";
import type { Refusals } from "./refusals.ts";
import type { Gatekeeper } from "./gatekeeper.ts";
import type { Handlers, ServedCall } from "./handlers.ts";
import { mustCluster } from "./records.ts";
import { type Desk, NodeConnection, PROTOCOL } from "./node_connection.ts";
import { type Carrier, type NodeSession, pushOn } from "./node_session.ts";
import { Sessions, type WantedSession } from "./sessions.ts";
import type { Tokens } from "./tokens.ts";

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
  readonly refusals: Refusals;
  /** SHA-256 of the certificate that new handshakes get, lower-case hex. */
  leafFingerprint(): string;
  /** What sessions are told of the audit log. */
  auditHead(): SignedHead | undefined;
}

/** What came in a session and is for the manager itself. */
interface SessionMessage {
  readonly name: string;
  readonly params: unknown;
  readonly kind: "request" | "notification";
}

/** Receives connections, says who they are, and holds their sessions. */
export class Frontdesk implements Desk {
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly #parts: FrontdeskParts;
  /** Strangers and nodes can cause these lines as often as they like. */
  readonly #throttle: LogThrottle;
  readonly #connections = new Map<string, Set<NodeConnection>>();
  readonly #unwatch: () => void;
  #refusals = 0;
  #closing = false;

  constructor(parts: FrontdeskParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#throttle = new LogThrottle(parts.logger, parts.clock);
    this.sessions = new Sessions({
      store: parts.store,
      clock: parts.clock,
      logger: parts.logger,
      serve: (session, name, params) =>
        this.#serve(session, { name, params, kind: "request" }),
      notified: (session, name, params) =>
        this.#notified(session, { name, params, kind: "notification" }),
    });
    this.#unwatch = parts.store.watch((changes) => {
      for (const change of changes) {
        if (change.kind === "node") this.#changed(change);
        if (change.kind === "cluster") this.#tellManagers(change);
      }
    });
  }

  /**
   * Connections that were refused for who they are, since this process
   * started; those that merely broke or were too slow do not count.
   */
  get refusals(): number {
    return this.#refusals;
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
    this.sessions.endAll(
      new SwarmdError("session-ended", "Session ended: the manager stops"),
    );
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
    await this.#seen(peer, wanted.trusts);
    const { nodeId } = peer;
    return await this.sessions.open(carrier, nodeId, wanted);
  }

  /** A session lives on a connection now, and can be written to. */
  attached(nodeId: string): void {
    this.#parts.opened?.(nodeId);
  }

  /** A call of a connection that has no session. */
  async serveOutside(
    method: Method,
    call: ServedCall,
  ): Promise<unknown> {
    return await this.#parts.handlers.serve(method, call);
  }

  /** A beat of a session's worker; it is answered with the next period. */
  beat(session: NodeSession, theirNow: number): void {
    const cluster = this.#parts.store.view(mustCluster);
    const now = this.clock.now();
    session.beat();
    session.skewMs = theirNow - now;
    const nextMs = nextBeat(cluster.heartbeatMs, this.#parts.random);
    const { connection } = session;
    if (connection) pushOn(connection.connection, "heartbeat", { now, nextMs });
    this.#tellHead(session);
  }

  /** All at once, before they end: the next beat is for another process. */
  tellHeads(): void {
    for (const session of this.sessions) this.#tellHead(session);
  }

  /** With a beat, so that a fleet is not told in the same moment. */
  #tellHead(session: NodeSession): void {
    const head = this.#parts.auditHead();
    if (!head || head.sequence === session.toldHead || !session.roomy) return;
    session.toldHead = head.sequence;
    session.push("audit.head", head);
  }

  /** Nothing is heard of this connection any more. */
  gone(connection: NodeConnection, error?: unknown): void {
    const node = connection.nodePeer?.nodeId;
    if (node !== undefined) {
      const open = this.#connections.get(node);
      open?.delete(connection);
      if (open?.size === 0) this.#connections.delete(node);
    }
    this.#parts.logger.debug("Connection closed", {
      remote: connection.connection.facts.remote.host,
      ...(node !== undefined && { node }),
      ...(error !== undefined && { error: String(error) }),
    });
  }

  refused(connection: NodeConnection, error: SwarmdError): void {
    const broke = hasCode(error, "timed-out", "session-ended", "bad-frame");
    if (!broke) this.#refusals++;
    const { peer } = connection;
    this.#note(connection, error);
    this.#throttle.warn("Connection refused", {
      code: error.code,
      why: describeError(error),
      remote: connection.connection.facts.remote.host,
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

  /** Closes connections whose certificate is no longer accepted. */
  sweep(): void {
    for (const nodeId of [...this.#connections.keys()]) this.#rejudge(nodeId);
  }

  /** From now on the connection is judged again when its node's record changes. */
  admitted(connection: NodeConnection, nodeId: string): void {
    const open = this.#connections.get(nodeId) ?? new Set();
    open.add(connection);
    this.#connections.set(nodeId, open);
    // The record may have changed while the chain was verified.
    this.#rejudge(nodeId);
  }

  /** Of those who proved who they are: what a leaf claims may be made up. */
  #note({ peer, connection }: NodeConnection, error: SwarmdError): void {
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
    this.#rejudge(id);
    // What its session had still to say is not for it any more.
    if (!after) this.sessions.end(id, cut("removed", `node ${id} was removed`));
  }

  /** Every live connection of a node whose record changed, and only those. */
  #rejudge(nodeId: string): void {
    for (const connection of [...this.#connections.get(nodeId) ?? []]) {
      const peer = connection.nodePeer;
      if (!peer) continue;
      const verdict = this.#judgeAgain(peer);
      if (verdict instanceof SwarmdError) connection.refuse(verdict);
      else connection.rejudge(verdict);
    }
  }

  #judgeAgain(peer: NodePeer): NodePeer | SwarmdError {
    const now = this.clock.now();
    const node = this.#parts.store.view((v) => v.get("node", peer.nodeId));
    if (!node) return cut("removed", `node ${peer.nodeId} was removed`);
    if (node.admission !== "active") {
      return cut(node.admission, whyFrozen(node));
    }
    if (now >= peer.notAfter) return cut("expired", "the certificate ended");
    const certificate = acceptedAs(node, { ...peer, now });
    if (!certificate) return cut("replaced", "the certificate was replaced");
    const role = node.role === "worker" ? "worker" : peer.role;
    return { ...peer, certificate, role };
  }

  /**
   * A connection presented `pending`: it becomes `current`. And what its node
   * trusts was said on a connection that was verified with just that. Both
   * durably, before anything is answered.
   */
  async #seen(peer: NodePeer, trusts: string | undefined): Promise<void> {
    const { store } = this.#parts;
    const { nodeId } = peer;
    const known = store.view((view) => view.get("node", nodeId)?.trusts);
    const isNew = trusts !== undefined && trusts !== known;
    if (peer.certificate !== "pending" && !isNew) return;
    const seen = { ...peer, now: this.clock.now() };
    await store.update((tx) => {
      recordSeen(tx, seen);
      const node = tx.get("node", nodeId);
      if (node && isNew) tx.put("node", nodeId, { ...node, trusts });
    });
  }

  #serve(
    session: NodeSession,
    { name, params, kind }: SessionMessage,
  ): unknown {
    const { peer, method, address } = this.#admitCall(session, name);
    const row = METHODS[method];
    if (row.carriage !== "session" || row.kind !== kind) {
      throw new SwarmdError("bad-message", `"${method}" is no ${kind} here`);
    }
    const parsed = parseAs(METHODS[method].params, {
      value: params,
      what: method,
    });
    return this.#parts.handlers.serve(method, {
      params: parsed,
      peer,
      address,
      session,
    });
  }

  #notified(session: NodeSession, message: SessionMessage): void {
    // A failure that comes later, of a full disk say, is to be caught as well.
    new Promise((done) => done(this.#serve(session, message)))
      .catch((error) => {
        this.#throttle.warn("Notification refused", {
          node: session.nodeId,
          method: message.name,
          error: describeError(error),
        });
      });
  }

  #admitCall(session: NodeSession, name: string) {
    const connection = session.connection;
    const peer = connection?.nodePeer;
    if (!connection || !peer) {
      throw new SwarmdError("session-ended", "The session has no connection");
    }
    const address = connection.connection.facts.remote.host;
    const method = this.#authorize(peer, { name, address });
    return { peer, method, address };
  }

  #authorize(
    peer: NodePeer,
    { name, address: by }: { readonly name: string; readonly address: string },
  ): Method {
    try {
      return authorize(peer, name);
    } catch (error) {
      this.#parts.refusals.note({ node: peer.nodeId, by, error });
      throw error;
    }
  }
}

/** Said only after the chain was verified, see `judgePeer`. */
const PROVEN: ReadonlySet<ErrorCode> = new Set([
  "suspended",
  "conflict",
  "expired",
  "not-yet-valid",
]);

function cut(
  code: "removed" | "suspended" | "conflict" | "expired" | "replaced",
  why: string,
): SwarmdError {
  const verdict = code === "removed" ? "rejoin" : "retry";
  return new SwarmdError(code, `Connection closed: ${why}`, { verdict });
}
