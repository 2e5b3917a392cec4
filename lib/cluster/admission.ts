import type { ErrorCode } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { ChainRefusal, ChainVerdict } from "../pki/chain.ts";
import { type Role, roleOf } from "../pki/profile.ts";
import { acceptedAs, type NodeRecord } from "./node.ts";
import type { RemovedNode } from "./removed_node.ts";
import { mayRecover } from "./root_views.ts";

/** Everything that the decision who a peer is may look at. */
export interface AdmissionCase {
  /** Leaf that the peer really presented; absent when it presented none. */
  readonly leaf?: Certificate;
  /** Verdict on the presented chain, against the current anchors. */
  readonly chain?: ChainVerdict;
  /** The same, against roots that were dropped; absent: not looked at. */
  readonly dropped?: ChainVerdict;
  /** Key ids of roots that were cut off. */
  readonly compromised?: readonly string[];
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
  | RecoveringPeer
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

/** A node of this cluster whose certificate is good for `recover` only. */
export interface RecoveringPeer {
  readonly kind: "recovering";
  readonly nodeId: string;
  readonly reason: RecoverableReason;
  readonly message: string;
  /** Of the certificate that it presented. */
  readonly fingerprint: string;
  readonly serial: string;
  /** Its beginning, in milliseconds. */
  readonly notBefore: number;
  /** Key id of who issued it; empty when it does not say. */
  readonly issuerKeyId: string;
}

/** Why a certificate of a living node is not accepted as it is. */
export type RecoverableReason =
  | "expired"
  | "dropped-root"
  | "replaced"
  | "newer-than-store";

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
 * Decides who is calling (trust.md §2.2). The ONE place where a
 * peer becomes a node: deny by default, the first reason wins.
 *
 * TLS proved that the peer holds the key of a v3 leaf; for a v1 leaf it proves
 * nothing, so the chain's verdict on the version comes before everything else.
 */
export function judgePeer(facts: AdmissionCase): Peer {
  const { leaf, chain, node, now } = facts;
  if (!leaf || !chain) return { kind: "anonymous" };
  const claim = judgeClaim(leaf, facts);
  if (claim) return claim;
  if (!chain.ok && !chain.provenIssuer && !isOurs(leaf, facts)) {
    return refuse("unverified-chain", `chain not trusted: ${chain.detail}`);
  }
  if (!node) return refuse("unknown-node", unknownNodeText(leaf), leaf);
  const frozen = judgeStanding(node, leaf);
  if (frozen) return frozen;
  if (chain.ok) return judgeRecord(leaf, { node, now });
  return isDropped(chain, { leaf, node })
    ? judgeDropped(leaf, { node, compromised: facts.compromised ?? [] })
    : judgeDates(leaf, { chain, now });
}

/**
 * Whether this cluster issued a certificate that leads to no anchor: it stands
 * in the record, or a root that was dropped vouches for it.
 */
function isOurs(
  leaf: Certificate,
  { node, dropped }: Pick<AdmissionCase, "node" | "dropped">,
): boolean {
  if (node && isRecorded(node, leaf)) return true;
  return dropped !== undefined && (dropped.ok || dropped.provenIssuer);
}

/** Whether a certificate is one of a node's, whatever it is good for now. */
export function isRecorded(
  { certificates }: NodeRecord,
  { fingerprint }: Pick<Certificate, "fingerprint">,
): boolean {
  const { current, pending, previous } = certificates;
  return [current, pending, previous].some((each) =>
    each?.fingerprint === fingerprint
  );
}

/** A cross-signature that has ended leaves a leaf without a root as well. */
function isDropped(
  chain: ChainRefusal,
  { leaf, node }: { readonly leaf: Certificate; readonly node: NodeRecord },
): boolean {
  if (!chain.provenIssuer) return true;
  return chain.reason === "issuer-expired" && isRecorded(node, leaf);
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
  { chain, now }: { readonly chain: ChainRefusal; readonly now: number },
): Peer {
  const clock = `this manager's clock says ${formatTime(now)}`;
  if (chain.reason === "expired") {
    const ended = `certificate ended at ${formatTime(leaf.notAfter)}; ${clock}`;
    return recovering(leaf, { reason: "expired", message: ended });
  }
  const code = chain.reason === "issuer-expired" ? "expired" : "not-yet-valid";
  return refuse(code, `${chain.detail}; ${clock}`, leaf);
}

/** What stands in the record was issued here: that is the proof. */
function judgeDropped(
  leaf: Certificate,
  { node, compromised }: {
    readonly node: NodeRecord;
    readonly compromised: readonly string[];
  },
): Peer {
  const { fingerprint } = leaf;
  const { current, pending } = node.certificates;
  const known = [current, pending].find((c) => c?.fingerprint === fingerprint);
  const issuer = known?.issuerKeyId ?? leaf.authorityKeyId ?? "";
  if (!mayRecover({ compromised }, issuer)) {
    return refuse("unverified-chain", CUT_OFF, leaf);
  }
  if (!known) return notInRecord(leaf, node);
  const message = `the root of certificate ${leaf.serial} was replaced`;
  return recovering(leaf, { reason: "dropped-root", message });
}

/** Why a certificate under a compromised root is good for nothing. */
export const CUT_OFF =
  "the root of the certificate was cut off as compromised; only a token helps: `swarmd worker join`";

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
  const reason = reasonNotRecorded(leaf, node);
  const message = reason === "newer-than-store"
    ? `certificate ${leaf.serial} is newer than any that this store knows of node ${node.id}`
    : `certificate ${leaf.serial} of node ${node.id} was replaced`;
  return recovering(leaf, { reason, message });
}

/** What became of a certificate that is none of its node's. */
export function reasonNotRecorded(
  { notBefore }: Pick<Certificate, "notBefore">,
  { certificates: { current, pending } }: NodeRecord,
): "replaced" | "newer-than-store" {
  const newest = Math.max(current?.notBefore ?? 0, pending?.notBefore ?? 0);
  return notBefore > newest ? "newer-than-store" : "replaced";
}

function recovering(
  leaf: Certificate,
  { reason, message }: Pick<RecoveringPeer, "reason" | "message">,
): RecoveringPeer {
  const { subject, fingerprint, serial, notBefore, authorityKeyId = "" } = leaf;
  return {
    kind: "recovering",
    nodeId: subject.commonName ?? "",
    reason,
    message,
    fingerprint,
    serial,
    notBefore,
    issuerKeyId: authorityKeyId,
  };
}

/** Promotion needs the new certificate; demotion works at once. */
function weaker(a: Role | undefined, b: Role): Role {
  return a === "manager" && b === "manager" ? "manager" : "worker";
}

/** Why a removed node may do nothing, for people. */
export function whyRemoved({ id, at, why }: RemovedNode): string {
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
