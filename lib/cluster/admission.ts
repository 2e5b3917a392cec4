import type { ErrorCode } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { ChainVerdict } from "../pki/chain.ts";
import { type Role, roleOf } from "../pki/profile.ts";
import { acceptedAs, type NodeRecord } from "./node.ts";
import type { RemovedNode } from "./removed_node.ts";

/** Everything that the decision who a peer is may look at. */
export interface AdmissionCase {
  /** Leaf that the peer really presented; absent when it presented none. */
  readonly leaf?: Certificate;
  /** Verdict on the presented chain, against the current anchors. */
  readonly chain?: ChainVerdict;
  readonly clusterId: string;
  /** Record of the node that the leaf names, if there is one. */
  readonly node?: NodeRecord;
  /** What is remembered of it, if it was removed. */
  readonly removed?: RemovedNode;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/** Who a peer is. */
export type Peer =
  | { readonly kind: "anonymous" }
  | NodePeer
  | {
    /** A node of this cluster whose certificate is good for `recover` only. */
    readonly kind: "recovering";
    readonly nodeId: string;
    readonly reason: RecoverableReason;
    readonly message: string;
  }
  | {
    readonly kind: "refused";
    readonly code: ErrorCode;
    readonly message: string;
    readonly nodeId?: string;
  };

/** A node that proved itself. */
export interface NodePeer {
  readonly kind: "node";
  readonly nodeId: string;
  /** The weaker of what certificate and store say. */
  readonly role: Role;
  readonly certificate: "current" | "pending" | "previous";
  readonly fingerprint: string;
  /** End of the certificate, in milliseconds. */
  readonly notAfter: number;
}

/** Why a certificate of a living node is not accepted as it is. */
export type RecoverableReason = "expired" | "replaced" | "newer-than-store";

/**
 * What can be said of a leaf's claims without looking at a signature: that it
 * is of another cluster, or of a node that does not exist. Strangers get no
 * further, so that they cost no cryptography.
 *
 * @returns `undefined` when its chain is worth a look
 */
export function judgeClaim(
  leaf: Certificate,
  facts: Pick<AdmissionCase, "clusterId" | "node" | "removed">,
): Peer | undefined {
  if (leaf.version !== 3) {
    return refuse(
      "unverified-chain",
      `certificate is of version ${leaf.version}, want 3`,
    );
  }
  const named = judgeNames(leaf, facts.clusterId);
  if (named || facts.node) return named;
  return facts.removed
    ? refuse("removed", whyRemoved(facts.removed), leaf)
    : refuse("unknown-node", unknownNodeText(leaf), leaf);
}

/**
 * Decides who is calling (trust.md §2, steps 3 to 7). The ONE place where a
 * peer becomes a node: deny by default, the first reason wins.
 *
 * TLS proved that the peer holds the key of a v3 leaf; for a v1 leaf it proves
 * nothing, so the chain's verdict on the version comes before everything else.
 */
export function judgePeer(facts: AdmissionCase): Peer {
  const { leaf, chain } = facts;
  if (!leaf || !chain) return { kind: "anonymous" };
  const claim = judgeClaim(leaf, facts);
  if (claim) return claim;
  if (!chain.ok && !chain.provenIssuer) {
    return refuse("unverified-chain", `chain not trusted: ${chain.detail}`);
  }
  const node = facts.node;
  if (!node) return refuse("unknown-node", unknownNodeText(leaf), leaf);
  const frozen = judgeStanding(node, leaf);
  if (frozen) return frozen;
  const { now } = facts;
  if (!chain.ok) return judgeDates(leaf, { chain, now });
  return judgeRecord(leaf, { node, now });
}

function judgeNames(leaf: Certificate, clusterId: string): Peer | undefined {
  const { organization, organizationalUnit, commonName } = leaf.subject;
  if (organization !== clusterId) {
    return refuse(
      "foreign-cluster",
      `certificate is of cluster "${organization ?? ""}", want "${clusterId}"`,
    );
  }
  if (!roleOf(organizationalUnit ?? "") || !commonName) {
    return refuse(
      "unverified-chain",
      `certificate names no node of a known role: OU "${
        organizationalUnit ?? ""
      }", CN "${commonName ?? ""}"`,
    );
  }
  return undefined;
}

function judgeStanding(node: NodeRecord, leaf: Certificate): Peer | undefined {
  if (node.admission === "active") return undefined;
  return refuse(node.admission, whyFrozen(node), leaf);
}

/** Why a node that is not active may do nothing, for people. */
export function whyFrozen({ id, admission }: NodeRecord): string {
  return admission === "suspended"
    ? `node ${id} is suspended by an operator`
    : `two machines use the identity of node ${id}`;
}

function judgeDates(
  leaf: Certificate,
  { chain, now }: {
    readonly chain: ChainVerdict & { readonly ok: false };
    readonly now: number;
  },
): Peer {
  const clock = `this manager's clock says ${formatTime(now)}`;
  if (chain.reason === "expired") {
    return {
      kind: "recovering",
      nodeId: leaf.subject.commonName ?? "",
      reason: "expired",
      message: `certificate ended at ${formatTime(leaf.notAfter)}; ${clock}`,
    };
  }
  const code = chain.reason === "issuer-expired" ? "expired" : "not-yet-valid";
  return refuse(code, `${chain.detail}; ${clock}`, leaf);
}

function judgeRecord(
  leaf: Certificate,
  { node, now }: { readonly node: NodeRecord; readonly now: number },
): Peer {
  const { fingerprint } = leaf;
  const known = acceptedAs(node, { fingerprint, now });
  if (!known) return notInRecord(leaf, node);
  return {
    kind: "node",
    nodeId: node.id,
    role: weaker(roleOf(leaf.subject.organizationalUnit ?? ""), node.role),
    certificate: known,
    fingerprint,
    notAfter: leaf.notAfter,
  };
}

/** A certificate that verifies but is none of the node's: replaced, or newer than a restored store. */
function notInRecord(leaf: Certificate, node: NodeRecord): Peer {
  const { current, pending } = node.certificates;
  const newest = Math.max(current?.notBefore ?? 0, pending?.notBefore ?? 0);
  const newer = leaf.notBefore > newest;
  return {
    kind: "recovering",
    nodeId: node.id,
    reason: newer ? "newer-than-store" : "replaced",
    message: newer
      ? `certificate ${leaf.serial} is newer than any that this store knows of node ${node.id}`
      : `certificate ${leaf.serial} of node ${node.id} was replaced`,
  };
}

/** Promotion needs the new certificate; demotion works at once. */
function weaker(a: Role | undefined, b: Role): Role {
  return a === "manager" && b === "manager" ? "manager" : "worker";
}

/** Why a removed node may do nothing, for people. */
function whyRemoved({ id, at, why }: RemovedNode): string {
  return `node ${id} was removed at ${formatTime(at)}: ${why}`;
}

function unknownNodeText(leaf: Certificate): string {
  return `node ${leaf.subject.commonName} is not known to this cluster`;
}

function refuse(code: ErrorCode, message: string, leaf?: Certificate): Peer {
  const nodeId = leaf?.subject.commonName;
  return nodeId === undefined
    ? { kind: "refused", code, message }
    : { kind: "refused", code, message, nodeId };
}
