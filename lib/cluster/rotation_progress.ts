import { formatTime, MINUTE } from "../base/time.ts";
import type { Role } from "../pki/profile.ts";
import type { ClusterRecord } from "./cluster.ts";
import type { NodeRecord } from "./node.ts";
import type {
  RotationPhase,
  RotationRecord,
  Straggler,
} from "./root_record.ts";
import { factsOf } from "./root_views.ts";

/** How long a rotation waits for a node that never came, in milliseconds. */
const NEVER_SEEN_MS = 10 * MINUTE;
/** How long `finish` waits for nodes that seem well, in milliseconds. */
export const FINISH_PATIENCE_MS = MINUTE;

/** All that a rotation looks at of a node. */
export interface NodeFacts {
  readonly id: string;
  readonly role: Role;
  /** Issuer of the certificate that it was last SEEN with; absent: never seen. */
  readonly issuerKeyId?: string;
  /** Issuer of one that it was issued and not seen with. */
  readonly pendingIssuerKeyId?: string;
  /** When it was last issued one, in milliseconds. */
  readonly issuedAt?: number;
  /** Digest of the bundle that it said it trusts. */
  readonly trusts?: string;
  readonly frozen?: "suspended" | "conflict";
  /** Version of the program that it runs, as it said. */
  readonly version?: string;
  /** Since when it is not connected, in milliseconds. */
  readonly downSince?: number;
  /** Why its last renewal failed. */
  readonly failing?: string;
}

/** What the store does not say of a node. */
export type LiveFacts = Pick<NodeFacts, "downSince" | "failing">;

/** The facts of a node's record, with those that only its manager knows. */
export function nodeFacts(node: NodeRecord, live: LiveFacts = {}): NodeFacts {
  const { current, pending } = node.certificates;
  const issuedAt = (pending ?? current)?.issuedAt;
  return {
    id: node.id,
    role: node.role,
    ...(current && { issuerKeyId: current.issuerKeyId }),
    ...(pending && { pendingIssuerKeyId: pending.issuerKeyId }),
    ...(issuedAt !== undefined && { issuedAt }),
    ...(node.trusts !== undefined && { trusts: node.trusts }),
    ...(node.admission !== "active" && { frozen: node.admission }),
    ...(node.description && { version: node.description.version }),
    ...live,
  };
}

/** How far the present phase is. */
export interface RotationProgress {
  readonly phase: RotationPhase;
  readonly done: number;
  /** Nodes that count; those that were never seen do for 10 minutes. */
  readonly total: number;
  /** Everyone who counts and is not done. */
  readonly stragglers: readonly Straggler[];
}

/** A look at all nodes, in the transaction that acts on it. */
export interface RotationLook {
  readonly nodes: Iterable<NodeFacts>;
  /** Others, that count and are done. Default: none. */
  readonly done?: number;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/** How far a rotation is; `undefined` when none is under way. */
export function progress(
  cluster: ClusterRecord,
  look: RotationLook,
): RotationProgress | undefined {
  const count = countNodes(cluster, look);
  if (!count) return undefined;
  const { phase, done, behind } = count;
  const stragglers = behind.map(({ node, reason }) => ({
    node: node.id,
    reason,
  }));
  return { phase, done, total: done + behind.length, stragglers };
}

/** First version that goes along with a rotation: major, minor, patch. */
const FOLLOWS_SINCE = [0, 1, 0] as const;

/** Whether a node of a version goes along with a rotation of the root. */
export function followsRotations(version: string): boolean {
  const found = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[-+]|$)/.exec(version);
  if (!found) return false;
  for (const [i, least] of FOLLOWS_SINCE.entries()) {
    const part = Number(found[i + 1] ?? 0);
    if (part !== least) return part > least;
  }
  return true;
}

/** Why a node of a version does not. */
export function whyUnable(version: string): string {
  const since = FOLLOWS_SINCE.join(".");
  return version === ""
    ? `has not said what version it runs, want ${since} or later`
    : `runs version ${version}, want ${since} or later to follow a rotation`;
}

/** Nodes that an alarm names. */
const MAX_NAMED = 3;

/**
 * What an operator is told when the deadline has passed and the quorum is not
 * there; `undefined` when it has not, or it is.
 */
export function overdue(
  cluster: ClusterRecord,
  look: RotationLook,
): string | undefined {
  const { rotation } = cluster;
  const count = countNodes(cluster, look);
  if (!rotation || !count || look.now < rotation.deadline) return undefined;
  const { done, behind } = count;
  if (behind.length === 0 || isPhaseOver(cluster, look)) return undefined;
  // Managers hold up whatever the quorum says
  const managersFirst = behind.toSorted((a, b) =>
    Number(b.node.role === "manager") - Number(a.node.role === "manager")
  );
  const named = managersFirst.slice(0, MAX_NAMED)
    .map(({ node: { id, role }, reason }) => `${role} ${id} (${reason})`);
  const more = behind.length - named.length;
  const all = [...named, ...(more > 0 ? [`${more} more`] : [])];
  return `The deadline of the rotation of the root passed at ${
    formatTime(rotation.deadline)
  }, and ${behind.length} of ${
    done + behind.length
  } nodes are not done with "${rotation.phase}", more than the quorum allows: ${
    all.join(", ")
  }; see \`swarmd ca status\`, end it without them with \`swarmd ca finish\`, or remove with \`swarmd node rm\` those that will not come back`;
}

/** Whether the present phase may end. */
export function isPhaseOver(
  cluster: ClusterRecord,
  look: RotationLook,
): boolean {
  const { rotation } = cluster;
  const count = countNodes(cluster, look);
  if (!rotation || !count) return false;
  const { done, behind } = count;
  if (behind.length === 0) return true;
  const { now } = look;
  if (now >= rotation.deadline) {
    const enough = done >= rotation.quorum * (done + behind.length);
    if (
      enough && behind.every(({ node }) => isLeftBehind(node, look, rotation))
    ) {
      return true;
    }
  }
  const { finishAt } = rotation;
  return finishAt !== undefined &&
    !behind.some(({ node }) => holdsFinish(node, { now, finishAt }));
}

/** Until when the quorum is not enough for who seems well, in milliseconds. */
export function patienceEnds(
  { deadline, phaseAt = 0 }: Pick<RotationRecord, "deadline" | "phaseAt">,
): number {
  return Math.max(deadline, phaseAt) + FINISH_PATIENCE_MS;
}

/** Whether the quorum is enough without a node, once the deadline has passed. */
function isLeftBehind(
  node: NodeFacts,
  { now }: RotationLook,
  rotation: RotationRecord,
): boolean {
  if (node.role === "manager") return false;
  const isWell = node.downSince === undefined && !node.frozen &&
    node.failing === undefined && node.issuerKeyId !== undefined;
  return !isWell || now >= patienceEnds(rotation);
}

/** Whether even an operator's `finish` waits for a node. */
function holdsFinish(
  node: NodeFacts,
  { now, finishAt }: { readonly now: number; readonly finishAt: number },
): boolean {
  if (node.downSince !== undefined || node.frozen) return false;
  // Whoever trusts the new root alone could not follow a manager that is late.
  if (node.role === "manager") return true;
  const wellAndSeen = node.failing === undefined &&
    node.issuerKeyId !== undefined;
  return wellAndSeen && now < finishAt + FINISH_PATIENCE_MS;
}

interface Count {
  readonly phase: RotationPhase;
  readonly done: number;
  readonly behind: readonly {
    readonly node: NodeFacts;
    readonly reason: string;
  }[];
}

function countNodes(
  cluster: ClusterRecord,
  { nodes, now, done: others = 0 }: RotationLook,
): Count | undefined {
  const { rotation } = cluster;
  if (!rotation) return undefined;
  let done = others;
  const behind: Count["behind"][number][] = [];
  for (const node of nodes) {
    if (!counts(node, now)) continue;
    const missing = missingOf(node, { cluster, rotation });
    if (missing === undefined) done++;
    else behind.push({ node, reason: reasonOf(node, missing) });
  }
  return { phase: rotation.phase, done, behind };
}

/** Whether a node that counts has done what the present phase waits for. */
export function isDone(node: NodeFacts, cluster: ClusterRecord): boolean {
  const { rotation } = cluster;
  return !!rotation && missingOf(node, { cluster, rotation }) === undefined;
}

/** Joiners on their way are not cut off, and ghosts hold nobody up. */
function counts(node: NodeFacts, now: number): boolean {
  if (node.issuerKeyId !== undefined) return true;
  return now - (node.issuedAt ?? 0) <= NEVER_SEEN_MS;
}

interface Goal {
  /** Key id that its certificate must name as its issuer. */
  readonly issuer?: string;
  /** Digests of bundles: it must have named one of them. */
  readonly trusts?: readonly string[];
}

/** What the present phase waits for, of a node of a role. */
function goalOf(
  { root, rotation }: Pick<ClusterRecord, "root"> & {
    readonly rotation: RotationRecord;
  },
  role: Role,
): Goal {
  const { phase, trustFirst = false, target, both } = rotation;
  const issuer = target.facts.keyId;
  const old = factsOf(root);
  switch (phase) {
    case "renewing":
      if (!trustFirst) return { issuer };
      // Who pins the old root could not follow a manager that renewed.
      return role === "manager"
        ? { trusts: [both] }
        : { issuer, trusts: [both] };
    case "trusting":
      // A node that nobody waited for may come now, under the old root still.
      return trustFirst ? { trusts: [both] } : { issuer, trusts: [both] };
    case "switching":
      return { issuer };
    case "recalling": {
      // Who pins the new root could not follow a manager that went back. One
      // that never trusted it needs no recall, and would not hear of it.
      const trusts = [both, old.bundle];
      return role === "manager" ? { trusts } : { issuer: old.keyId, trusts };
    }
    case "returning":
      return trustFirst
        ? { issuer: old.keyId }
        : { issuer: old.keyId, trusts: [old.bundle] };
  }
}

/** What a node has not done yet; `undefined` when it is done. */
function missingOf(
  node: NodeFacts,
  { cluster: { root }, rotation }: {
    readonly cluster: ClusterRecord;
    readonly rotation: RotationRecord;
  },
): string | undefined {
  const goal = goalOf({ root, rotation }, node.role);
  const { phase } = rotation;
  if (goal.issuer !== undefined && !isSeenUnder(node, goal.issuer)) {
    const back = phase === "recalling" || phase === "returning";
    return node.issuerKeyId === undefined
      ? "has not come with its certificate yet"
      : `has not been seen under the ${back ? "old" : "new"} root`;
  }
  if (goal.trusts && !goal.trusts.includes(node.trusts ?? "")) {
    return UNSAID[phase] ?? "has not said that it trusts the new root";
  }
  return undefined;
}

/** What it has not said yet, where that is not of the new root. */
const UNSAID: Readonly<Partial<Record<RotationPhase, string>>> = {
  recalling: "has not said that it trusts the old root as well",
  returning: "has not said that it trusts the old root alone",
};

/** And has nothing on its disk under another, from before a change of mind. */
function isSeenUnder(node: NodeFacts, issuer: string): boolean {
  const { issuerKeyId, pendingIssuerKeyId = issuer } = node;
  return issuerKeyId === issuer && pendingIssuerKeyId === issuer;
}

/** The first thing that an operator would look at. */
function reasonOf(node: NodeFacts, missing: string): string {
  const { frozen, failing, downSince, version } = node;
  if (frozen === "suspended") return "suspended by an operator";
  if (frozen) return "two machines use its identity";
  if (version !== undefined && !followsRotations(version)) {
    return whyUnable(version);
  }
  if (downSince !== undefined) return `down since ${formatTime(downSince)}`;
  return failing === undefined ? missing : `renewal failing: ${failing}`;
}
