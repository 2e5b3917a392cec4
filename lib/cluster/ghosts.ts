import { DAY } from "../base/time.ts";
import type { NodeRecord } from "./node.ts";
import { forgetRemoved, removeNode } from "./removal.ts";
import type { Transaction, View } from "./store.ts";

/** How long a joiner may take to come with its certificate, in milliseconds. */
const GHOST_AGE = DAY;

/**
 * Nodes that were let in and never came (W10): a joiner does not use a key
 * that is older than a day, so nobody will.
 */
export function findGhosts(view: View, now: number): NodeRecord[] {
  const ghosts: NodeRecord[] = [];
  for (const node of view.list("node")) {
    const came = node.firstSeen !== undefined || node.tokenId === undefined;
    if (!came && now - node.createdAt > GHOST_AGE) ghosts.push(node);
  }
  return ghosts;
}

/** Removes a node that never came; one that came meanwhile stays. */
export function removeGhost(
  tx: Transaction,
  { nodeId, now }: { readonly nodeId: string; readonly now: number },
): void {
  const node = tx.get("node", nodeId);
  if (!node || node.firstSeen !== undefined) return;
  const why = "it never came with its certificate";
  removeNode(tx, { nodeId, by: "manager", why, now });
  const { spkis: redeemed = [] } = tx.get("removed", nodeId) ?? {};
  forgetRemoved(tx, { nodeId, redeemed });
}
