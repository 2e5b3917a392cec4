import { SwarmdError } from "../base/errors.ts";
import { DAY } from "../base/time.ts";
import { audit } from "./audit.ts";
import { deny } from "./denylist.ts";
import type { CertificateRecord, NodeRecord } from "./node.ts";
import { refuseOwn } from "./own_node.ts";
import type { Transaction, View } from "./store.ts";

/** How long after its last certificate a removed node is still known by name. */
const REMEMBERED = 90 * DAY;

/** How a node is removed. */
export interface Removal {
  readonly nodeId: string;
  readonly by: string;
  readonly why: string;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/**
 * Refuses what an operator most likely did not mean.
 *
 * @throws {SwarmdError} `precondition` for a node that is at work
 */
export function checkRemoval(
  node: NodeRecord,
  { isReady, force }: { readonly isReady: boolean; readonly force: boolean },
): void {
  if (!isReady || force) return;
  throw new SwarmdError(
    "precondition",
    `Cannot remove node ${node.id}: it is ready, want one that is down`,
    { verdict: "stop", hint: "Remove it all the same with --force" },
  );
}

/**
 * Removes a node for good: its record goes, its certificates are denied, its
 * keys never join again. A node that is not there is no error.
 *
 * @returns whether it was there
 * @throws {SwarmdError} `precondition` for the manager of this store
 */
export function removeNode(tx: Transaction, removal: Removal): boolean {
  const { nodeId, by, why, now: at } = removal;
  const node = tx.get("node", nodeId);
  if (!node) return false;
  refuseOwn(tx, { nodeId, attempt: "remove" });
  const certificates = certificatesOf(node);
  tx.remove("node", nodeId);
  for (const each of certificates) {
    deny(tx, { ...each, nodeId, reason: "removed", deniedAt: at });
  }
  // Nobody has to say anything of who waits to be it again.
  for (const { spki, kind, nodeId: asked } of [...tx.list("applicant")]) {
    if (kind === "recover" && asked === nodeId) tx.remove("applicant", spki);
  }
  const ends = certificates.map(({ notAfter }) => notAfter);
  tx.put("removed", nodeId, {
    id: nodeId,
    at,
    by,
    why,
    spkis: [...new Set(certificates.map(({ spki }) => spki))],
    until: Math.max(at, ...ends) + REMEMBERED,
  });
  const { serial } = node.certificates.current ?? {};
  const entry = { at, action: "removed", node: nodeId, by, why } as const;
  audit(tx, { ...entry, ...(serial !== undefined && { serial }) });
  return true;
}

/** A removed node that may be forgotten. */
export interface Forgettable {
  readonly nodeId: string;
  /** Keys that it redeemed tokens with; it may have had many since. */
  readonly redeemed: readonly string[];
}

/** Removed nodes whose last certificate ended long ago. */
export function findForgettable(view: View, now: number): Forgettable[] {
  const over = [...view.list("removed")].filter(({ until }) => until <= now);
  if (over.length === 0) return [];
  const byNode = Map.groupBy(view.list("redemption"), ({ nodeId }) => nodeId);
  return over.map(({ id: nodeId }) => {
    const redeemed = (byNode.get(nodeId) ?? []).map(({ spki }) => spki);
    return { nodeId, redeemed };
  });
}

/** Forgets a removed node, and the tokens that its keys redeemed. */
export function forgetRemoved(
  tx: Transaction,
  { nodeId, redeemed }: Forgettable,
): void {
  tx.remove("removed", nodeId);
  for (const spki of redeemed) {
    const redemption = tx.get("redemption", spki);
    if (redemption?.nodeId === nodeId) tx.remove("redemption", spki);
  }
}

function certificatesOf({ certificates }: NodeRecord): CertificateRecord[] {
  const { current, pending, previous } = certificates;
  return [current, pending, previous].filter((each) => each !== undefined);
}
