import { audit } from "./audit.ts";
import { deny } from "./denylist.ts";
import { promotePending } from "./node.ts";
import type { Transaction } from "./store.ts";

/** A certificate that was really presented. */
export interface Seen {
  readonly nodeId: string;
  readonly fingerprint: string;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/**
 * Records that a node's pending certificate was seen in use: it becomes the
 * current one. Nothing changes when the certificate is not the pending one,
 * which may have been replaced since the caller looked.
 */
export function recordSeen(tx: Transaction, seen: Seen): void {
  const { nodeId, fingerprint, now: at } = seen;
  const before = tx.get("node", nodeId);
  const pending = before?.certificates.pending;
  if (!before || pending?.fingerprint !== fingerprint) return;
  const { node, superseded } = promotePending(before, at);
  tx.put("node", nodeId, node);
  const { serial } = pending;
  const why = "it was presented in a handshake";
  audit(tx, { at, action: "promoted", node: nodeId, by: nodeId, serial, why });
  if (!superseded) return;
  deny(tx, { ...superseded, nodeId, reason: "superseded", deniedAt: at });
}
