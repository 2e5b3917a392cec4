import type { Role } from "../pki/profile.ts";
import type { Applicant } from "./applicant.ts";
import type { ClusterRecord } from "./cluster.ts";
import type { CreatedToken } from "./created_token.ts";
import type { CertificateRecord, NodeRecord } from "./node.ts";
import type { RedemptionRecord } from "./redemption.ts";
import { type TokenFacts, tokenFacts, type TokenState } from "./tokens.ts";

/** How long a repeated join is answered after the node was seen, in milliseconds. */
const JOIN_REPEAT_MS = 10 * 60_000;

/** Shortest time between two certificates of one node, in milliseconds. */
const MIN_ISSUE_INTERVAL_MS = 1_000;
/** The same for certificates of a long life; it is a thousandth of the life. */
const MAX_ISSUE_INTERVAL_MS = 60_000;

/** How much later than asked an authority elsewhere may let a leaf end. */
const EXTERNAL_SLACK_MS = 61 * 60_000;

/** What issuance does with a request. */
export type IssuanceDecision =
  /** Nothing is signed; this is what was signed before. */
  | { readonly kind: "stored"; readonly certificate: CertificateRecord }
  | {
    readonly kind: "issue";
    readonly role: Role;
    /** Absent: a new node, whose id is still to be made. */
    readonly nodeId?: string;
  }
  | {
    readonly kind: "refuse";
    readonly code: Refusal;
    readonly why: string;
    /** After which it would be issued, in milliseconds. */
    readonly waitMs?: number;
  };

/** What is done with a join: it may also have to wait for an operator. */
export type JoinDecision = IssuanceDecision | {
  readonly kind: "wait";
  readonly role: Role;
};

/** Why nothing is issued. */
export type Refusal =
  | "token-refused"
  | "rejected"
  | "key-in-use"
  | "already-joined"
  | "removed"
  | "unknown-node"
  | "unverified-chain"
  | "suspended"
  | "conflict"
  | "replaced"
  | "too-busy"
  | "issuer-ending"
  | "role";

/** What a decision on `join` looks at. The token's secret was checked before. */
export interface JoinCase {
  readonly cluster: ClusterRecord;
  readonly tokenId: string;
  /** The token of that id, unless it is a standing one. */
  readonly created?: CreatedToken;
  /** What the joiner calls itself. */
  readonly hostname: string;
  /** Whoever waits, or waited, with this key. */
  readonly applicant?: Applicant;
  readonly redemption?: RedemptionRecord;
  /** The node that the redemption names. */
  readonly node?: NodeRecord;
  /** Id of the node that holds this key now, or did when it was removed. */
  readonly holder?: string;
  /** Whether that node was removed. */
  readonly isHolderGone?: boolean;
  /** What would be issued now. */
  readonly issuerKeyId: string;
  /** End of the certificate that would sign, in milliseconds. */
  readonly issuerEnds: number;
  readonly now: number;
}

/**
 * Decides on a join by token (trust.md §3). The same key with the same token
 * is the same node: a lost answer, a crash or a retry never makes a second,
 * and takes no second use, even where the token has ended meanwhile.
 */
export function decideJoin(facts: JoinCase): JoinDecision {
  const token = tokenFacts(facts);
  if (!token) return refuse("token-refused", "the token is not valid here");
  const { redemption, holder, applicant } = facts;
  if (applicant?.verdict === "rejected") {
    return refuse("rejected", "an operator rejected this machine");
  }
  const { role, state } = token;
  if (state === "revoked" || state === "disabled") return ended(state);
  if (redemption) {
    if (redemption.tokenId !== facts.tokenId || redemption.role !== role) {
      return refuse("key-in-use", "the key was used with another token");
    }
    return decideRepeat(facts, facts.node);
  }
  // A key that came by a renewal: no second node may have it.
  if (holder !== undefined) {
    return facts.isHolderGone
      ? refuse("removed", GONE)
      : refuse("key-in-use", "the key belongs to a node already");
  }
  return applicant
    ? decideApplicant(facts, applicant, token)
    : decideNew(facts, token);
}

/** Who asked in time is let in although the token has expired since. */
function decideApplicant(
  { cluster, tokenId }: JoinCase,
  { kind, verdict, nodeId, tokenId: came }: Applicant,
  { role, state }: TokenFacts,
): JoinDecision {
  if (kind !== "join" || came !== tokenId) {
    return refuse("key-in-use", "the key was used for another request");
  }
  if (state === "used-up") return ended(state);
  const wait = cluster.requireApproval && verdict === undefined;
  return wait ? { kind: "wait", role } : { kind: "issue", role, nodeId };
}

function decideNew(
  { cluster, hostname }: JoinCase,
  { role, state, name }: TokenFacts,
): JoinDecision {
  if (state !== "active") return ended(state);
  if (name !== undefined && name !== hostname) {
    const why =
      `the token is for a machine called "${name}" only, and this one is called "${hostname}"`;
    return refuse("token-refused", why);
  }
  return { kind: cluster.requireApproval ? "wait" : "issue", role };
}

const ENDED: Readonly<Record<Exclude<TokenState, "active">, string>> = {
  "disabled": "joining by the standing token of this role is disabled",
  "revoked": "the token was revoked",
  "expired": "the token has expired",
  "used-up": "the token is used up",
};

function ended(state: keyof typeof ENDED): IssuanceDecision {
  return refuse("token-refused", ENDED[state]);
}

const GONE = "the key belongs to a removed node";

function decideRepeat(
  facts: JoinCase,
  node: NodeRecord | undefined,
): IssuanceDecision {
  if (!node) return refuse("removed", GONE);
  const { cluster, issuerKeyId, issuerEnds, now, redemption } = facts;
  const spki = redemption?.spki ?? "";
  const seenFor = now - (node.firstSeen ?? now);
  const { current, pending } = node.certificates;
  // Whoever renewed since has another key: an old one takes no node over.
  const renewed = node.firstSeen !== undefined && current?.spki !== spki &&
    pending?.spki !== spki;
  if (renewed || seenFor > JOIN_REPEAT_MS) {
    return refuse("already-joined", `the key is node ${node.id} already`);
  }
  return decideRenewal({
    cluster,
    node,
    spki,
    issuerKeyId,
    issuerEnds,
    now,
  });
}

/** What a decision on a renewal looks at. */
export interface RenewalCase {
  readonly cluster: ClusterRecord;
  readonly node?: NodeRecord;
  /** SHA-256 of the requested key's SPKI, lower-case hex. */
  readonly spki: string;
  readonly issuerKeyId: string;
  /** End of the certificate that would sign, in milliseconds. */
  readonly issuerEnds: number;
  /** Id of the node that this key is already known under, if any. */
  readonly holder?: string;
  /** Whether another certificate so soon is refused: asked by a peer. */
  readonly limited?: boolean;
  readonly now: number;
}

/**
 * Decides on a renewal. The same key again returns the stored certificate
 * while it is what would be issued now and before half of its life.
 */
export function decideRenewal(facts: RenewalCase): IssuanceDecision {
  const { node, holder } = facts;
  if (!node) return refuse("unknown-node", "the node is not in the store");
  if (node.admission !== "active") {
    return refuse(node.admission, `node ${node.id} is ${node.admission}`);
  }
  if (holder !== undefined && holder !== node.id) {
    return refuse("key-in-use", "the key belongs to another node");
  }
  const stored = storedFor(facts, node);
  if (stored) return { kind: "stored", certificate: stored };
  if (facts.limited && !node.renewalWanted && isTooSoon(facts, node)) {
    return tooSoon(facts, node);
  }
  if (facts.limited && gainsNothing(facts, node)) {
    return refuse(
      "issuer-ending",
      "the authority ends so soon that the next certificate would not outlive the present one",
    );
  }
  return { kind: "issue", role: node.role, nodeId: node.id };
}

/**
 * A rotation, and a change of the role, ask for the next certificate whenever
 * they like: that is no loop, because what is issued then is no other any more.
 */
export function isTooSoon(facts: RenewalCase, node: NodeRecord): boolean {
  const { pending, current } = node.certificates;
  const newest = pending ?? current;
  if (newest && newest.issuerKeyId !== facts.issuerKeyId) return false;
  if (newest && newest.role !== node.role) return false;
  return sinceIssue(facts, node) < issueInterval(facts);
}

/** Whoever asks too soon is told when it is time. */
export function tooSoon(
  facts: RenewalCase,
  node: NodeRecord,
): IssuanceDecision {
  const waitMs = issueInterval(facts) - sinceIssue(facts, node);
  const why = "the node got a certificate a moment ago";
  return { ...refuse("too-busy", why), waitMs };
}

/**
 * Close to its authority's end a leaf would live less than half of what is
 * asked for. Renewing into that would only be repeated, sooner and sooner; the
 * authority has to be rotated. A node whose own certificate ends before it
 * still gets one.
 */
function gainsNothing(facts: RenewalCase, node: NodeRecord): boolean {
  const { current, pending } = node.certificates;
  const { issuerEnds, now, cluster: { leafLifeMs } } = facts;
  if (issuerEnds - now >= leafLifeMs / 2) return false;
  const usable = [current, pending].filter((c) =>
    c?.issuerKeyId === facts.issuerKeyId && c.role === node.role
  );
  return usable.some((c) => (c?.notAfter ?? 0) >= issuerEnds);
}

function issueInterval({ cluster: { leafLifeMs } }: RenewalCase): number {
  const share = leafLifeMs / 1_000;
  return Math.max(
    MIN_ISSUE_INTERVAL_MS,
    Math.min(MAX_ISSUE_INTERVAL_MS, share),
  );
}

/** A node's key that was stolen does not make the manager sign without end. */
function sinceIssue({ now }: RenewalCase, node: NodeRecord): number {
  const { pending, current } = node.certificates;
  const last = Math.max(pending?.issuedAt ?? 0, current?.issuedAt ?? 0);
  // A clock that was set back must not keep a node from its certificate.
  return now < last ? Infinity : now - last;
}

function storedFor(
  facts: RenewalCase,
  node: NodeRecord,
): CertificateRecord | undefined {
  const { pending, current } = node.certificates;
  const known = [pending, current].find((c) => c?.spki === facts.spki);
  if (!known) return undefined;
  const { leafLifeMs, root } = facts.cluster;
  const life = known.notAfter - known.issuedAt;
  const fresh = facts.now < known.issuedAt + life / 2;
  const same = known.role === node.role &&
    known.issuerKeyId === facts.issuerKeyId &&
    life <= leafLifeMs + (root.external ? EXTERNAL_SLACK_MS : 0);
  return fresh && same ? known : undefined;
}

function refuse(code: Refusal, why: string) {
  return { kind: "refuse", code, why } as const;
}
