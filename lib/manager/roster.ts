import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import { type NodePeer, whyFrozen } from "../cluster/admission.ts";
import { acceptedAs, type NodeRecord } from "../cluster/node.ts";
import type { Store } from "../cluster/store.ts";

/** A connection that was admitted as a node's. */
export interface Admitted {
  /** Id of the node, which it keeps until its end. */
  readonly admittedAs: string | undefined;
  /** The node as it is judged now; absent: it may not act as one any more. */
  readonly nodePeer: NodePeer | undefined;
  /** The peer may do less now. */
  rejudge(peer: NodePeer): void;
  /** The peer may do nothing more. */
  refuse(error: SwarmdError): void;
}

/** What the roster works with. */
export interface RosterParts {
  readonly store: Store;
  readonly clock: Clock;
}

/**
 * The open connections of nodes. What a peer may do was decided when it came;
 * here that is decided again, when its node's record changes and when time
 * takes something away.
 */
export class Roster {
  readonly #parts: RosterParts;
  readonly #connections = new Map<string, Set<Admitted>>();

  constructor(parts: RosterParts) {
    this.#parts = parts;
  }

  /** Open connections of nodes. */
  get size(): number {
    let size = 0;
    for (const open of this.#connections.values()) size += open.size;
    return size;
  }

  add(connection: Admitted, nodeId: string): void {
    const open = this.#connections.get(nodeId) ?? new Set();
    open.add(connection);
    this.#connections.set(nodeId, open);
    // The record may have changed while the chain was verified.
    this.#judge(connection);
  }

  /** It ended. By the id that it was admitted with: its peer may be another. */
  remove(connection: Admitted): void {
    const nodeId = connection.admittedAs;
    if (nodeId === undefined) return;
    const open = this.#connections.get(nodeId);
    open?.delete(connection);
    if (open?.size === 0) this.#connections.delete(nodeId);
  }

  /** Every connection of a node whose record changed, and only those. */
  rejudge(nodeId: string): void {
    for (const connection of [...this.#connections.get(nodeId) ?? []]) {
      this.#judge(connection);
    }
  }

  /** Those that time has taken something from, or is about to. */
  sweep(): void {
    const now = this.#parts.clock.now();
    const due: Admitted[] = [];
    for (const open of this.#connections.values()) {
      for (const connection of open) {
        const { nodePeer } = connection;
        if (nodePeer && isTimed(nodePeer, now)) due.push(connection);
      }
    }
    for (const connection of due) this.#judge(connection);
  }

  #judge(connection: Admitted): void {
    const peer = connection.nodePeer;
    if (!peer) return;
    const node = this.#parts.store.view((view) =>
      view.get("node", peer.nodeId)
    );
    const verdict = judgeAgain(peer, { node, now: this.#parts.clock.now() });
    if (verdict instanceof SwarmdError) connection.refuse(verdict);
    else connection.rejudge(verdict);
  }
}

/**
 * Whether time alone decides anything: of all else the store tells. A replaced
 * certificate is asked to move as long as it is there.
 */
function isTimed({ certificate, notAfter }: NodePeer, now: number): boolean {
  return certificate === "previous" || now >= notAfter;
}

function judgeAgain(
  peer: NodePeer,
  { node, now }: {
    readonly node: NodeRecord | undefined;
    readonly now: number;
  },
): NodePeer | SwarmdError {
  if (!node) return cut("removed", `node ${peer.nodeId} was removed`);
  if (node.admission !== "active") return cut(node.admission, whyFrozen(node));
  if (now >= peer.notAfter) return cut("expired", "the certificate ended");
  const certificate = acceptedAs(node, { ...peer, now });
  if (!certificate) return cut("replaced", "the certificate was replaced");
  const role = node.role === "worker" ? "worker" : peer.role;
  return { ...peer, certificate, role };
}

/** Why a node's connection, or its session, ends. */
export function cut(
  code: "removed" | "suspended" | "conflict" | "expired" | "replaced",
  why: string,
): SwarmdError {
  const text = `Connection closed: ${why}`;
  if (code !== "removed") return new SwarmdError(code, text);
  return new SwarmdError(code, text, {
    verdict: "rejoin",
    hint: "To be a node again, it joins with a token: `swarmd worker join`",
  });
}
