import { DAY, formatDuration } from "../base/time.ts";
import {
  CUT_OFF,
  reasonNotRecorded,
  type RecoverableReason,
  type RecoveringPeer,
  whyRemoved,
} from "./admission.ts";
import type { Applicant } from "./applicant.ts";
import {
  type ClusterRecord,
  DEFAULT_RECOVERY_LIMIT,
  DEFAULT_RECOVERY_WINDOW_MS,
  MAX_RECOVERY_LIMIT,
} from "./cluster.ts";
import {
  decideRenewal,
  type IssuanceDecision,
  isTooSoon,
  type Refusal,
  type RenewalCase,
  tooSoon,
} from "./issuance.ts";
import { deniedId } from "./denylist.ts";
import type { CertificateRecord, NodeRecord } from "./node.ts";
import type { RemovedNode } from "./removed_node.ts";
import { mayRecover } from "./root_views.ts";
import type { View } from "./store.ts";

/** In which recoveries are counted, in milliseconds. */
const COUNTED_MS = 90 * DAY;

/** What is done with a request to recover. */
export type RecoveryDecision = IssuanceDecision | {
  readonly kind: "wait";
  /** What is wrong with the certificate that was presented. */
  readonly reason: RecoverableReason;
  /** Why an operator has to decide, for people. */
  readonly why: string;
};

/** What a decision on `recover` looks at; the key was proved before. */
export interface RecoveryCase extends Omit<RenewalCase, "limited"> {
  /** Who came, by the certificate of the handshake. */
  readonly peer: RecoveringPeer;
  /** What is remembered of the node, if it was removed. */
  readonly removed?: RemovedNode;
  /** Whoever waits, or waited, with the new key. */
  readonly applicant?: Applicant;
}

/**
 * Decides on a node that comes back with a certificate which is not good any
 * more (trust.md §6). What was true at the handshake is looked at again: this
 * runs inside the transaction that writes the new certificate, too.
 */
export function decideRecovery(facts: RecoveryCase): RecoveryDecision {
  const { node, removed, applicant, cluster, peer } = facts;
  // Who waits since before is told what who comes now is told.
  if (!node && removed) return refuse("removed", whyRemoved(removed));
  const renewal = decideRenewal(facts);
  // What was issued for this very key is its owner's: an answer was lost.
  if (!node || renewal.kind !== "issue") return renewal;
  const known = acceptable(node, peer);
  const issuer = known?.issuerKeyId ?? peer.issuerKeyId;
  if (!mayRecover(cluster, issuer)) return refuse("unverified-chain", CUT_OFF);
  if (applicant && isOther(applicant, node)) {
    return refuse("key-in-use", "the key was used for another request");
  }
  if (applicant?.verdict === "rejected") {
    return refuse("rejected", "an operator rejected this machine");
  }
  const why = whyWait(facts, { node, known });
  if (why !== undefined && applicant?.verdict !== "accepted") {
    return { kind: "wait", reason: reasonOf(peer, { node, known }), why };
  }
  return isTooSoon(facts, node) ? tooSoon(facts, node) : renewal;
}

/** How often a node came back in the time in which it is counted. */
export function countRecoveries(
  { recoveries = [] }: NodeRecord,
  now: number,
): number {
  return recoveries.filter((at) => now - at < COUNTED_MS).length;
}

/** Remembers that a node came back; what does not count any more is forgotten. */
export function withRecovery(node: NodeRecord, now: number): NodeRecord {
  const { recoveries = [] } = node;
  const counted = recoveries.filter((at) => now - at < COUNTED_MS);
  return {
    ...node,
    recoveries: [...counted, now].slice(-MAX_RECOVERY_LIMIT),
  };
}

interface Found {
  readonly node: NodeRecord;
  /** The certificate that was presented, if it is one of the node's. */
  readonly known: CertificateRecord | undefined;
}

/** Why it is not for the manager alone to decide; `undefined`: it is. */
function whyWait(
  { cluster, now, peer }: RecoveryCase,
  { node, known }: Found,
): string | undefined {
  const { windowMs, limit } = recoverySettings(cluster);
  if (!known) return NOT_RECORDED[reasonNotRecorded(peer, node)];
  if (node.role === "manager") return "it is a manager";
  if (windowMs === 0) return "nodes do not recover by themselves here";
  const sinceMs = now - known.notAfter;
  if (sinceMs >= windowMs) {
    return `its certificate ended ${
      formatDuration(sinceMs)
    } ago, want less than ${formatDuration(windowMs)}`;
  }
  const times = countRecoveries(node, now);
  return times < limit
    ? undefined
    : `it recovered ${times} times in ${
      formatDuration(COUNTED_MS)
    }, want less than ${limit}`;
}

/**
 * Why a certificate that an applicant showed is not one which the store has
 * lost: it knows a newer one by now, or knows that this one was replaced. A
 * moment alone does not tell, since the clock may have been set back.
 *
 * @returns `undefined` when it is newer than all that the store knows
 */
export function whyNotNewer(
  view: View,
  { nodeId, reason, shown }: Applicant,
): string | undefined {
  const node = view.get("node", nodeId);
  if (!node || !shown || reason !== "newer-than-store") {
    return "its certificate is none that a restored store has lost";
  }
  const { issuerKeyId, serial } = shown;
  const isDenied = view.get("denied", deniedId({ issuerKeyId, serial }));
  return isDenied || reasonNotRecorded(shown, node) === "replaced"
    ? "its certificate was replaced"
    : undefined;
}

const NOT_RECORDED = {
  "replaced": "its certificate was replaced: an old disk, or a copy",
  "newer-than-store":
    "its certificate is newer than what the store knows: a restored store",
} as const;

/** The bounds inside of which nodes come back by themselves. */
export function recoverySettings(
  { recoveryWindowMs, recoveryLimit }: ClusterRecord,
): { readonly windowMs: number; readonly limit: number } {
  return {
    windowMs: recoveryWindowMs ?? DEFAULT_RECOVERY_WINDOW_MS,
    limit: recoveryLimit ?? DEFAULT_RECOVERY_LIMIT,
  };
}

/** Of those that were really issued to it and not replaced. */
export function acceptable(
  { certificates: { current, pending } }: NodeRecord,
  { fingerprint }: RecoveringPeer,
): CertificateRecord | undefined {
  return [current, pending].find((each) => each?.fingerprint === fingerprint);
}

function reasonOf(
  peer: RecoveringPeer,
  { node, known }: Found,
): RecoverableReason {
  return known ? peer.reason : reasonNotRecorded(peer, node);
}

function isOther({ kind, nodeId }: Applicant, node: NodeRecord): boolean {
  return kind !== "recover" || nodeId !== node.id;
}

function refuse(code: Refusal, why: string): IssuanceDecision {
  return { kind: "refuse", code, why };
}
