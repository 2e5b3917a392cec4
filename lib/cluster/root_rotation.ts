import { SwarmdError } from "../base/errors.ts";
import { DAY } from "../base/time.ts";
import type { ClusterRecord } from "./cluster.ts";
import type {
  CrossSigned,
  RootFacts,
  RootRecord,
  RotationRecord,
  TargetRoot,
} from "./root_record.ts";
import { factsOf } from "./root_views.ts";
import { giveUp, retire, TOKEN_GRACE_MS } from "./rotation_steps.ts";

/** How long a rotation waits for everyone, unless told otherwise: 24 h. */
export const DEFAULT_DEADLINE_MS = DAY;
/** Share of the nodes that is enough at the deadline, unless told otherwise. */
const DEFAULT_QUORUM = 0.9;

/** Cut-off roots that are remembered. */
const MAX_COMPROMISED = 64;

/**
 * The record that an order was made for. What was made for one root must not
 * take the place of what came after it.
 */
export interface OrderBase {
  /** Generation of the present root. */
  readonly root: number;
  /** Generation that the next root gets. */
  readonly next: number;
  /** Id of the rotation under way; absent: none. */
  readonly rotation?: string;
}

/** What an order is to be made for now. */
export function orderBase(
  cluster: Pick<ClusterRecord, "generation" | "root" | "rotation">,
): OrderBase {
  const { root, rotation } = cluster;
  return {
    root: root.generation,
    next: nextGeneration(cluster),
    ...(rotation && { rotation: rotation.id }),
  };
}

/** A rotation to be begun. Everything is made before, and written at once. */
export interface RotationOrder {
  /** Random; who acts on the rotation later names it. */
  readonly id: string;
  /** What it was made for; another record refuses it. */
  readonly from: OrderBase;
  /** Of the present root. */
  readonly present: RootFacts;
  /** Of generation {@linkcode nextGeneration}, with its sealed key. */
  readonly target: TargetRoot;
  /** Digest of the bundle that holds both roots. */
  readonly both: string;
  /** Absent: trust-first, for a root that cannot cross-sign. */
  readonly crossed?: CrossPair;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** @default {86_400_000} */
  readonly deadlineMs?: number;
  /** 0 to 1. @default {0.9} */
  readonly quorum?: number;
}

/** The two cross-signatures of a target; both end no later than their signer. */
export interface CrossPair {
  /** Ends one {@linkcode crossReserve} after the deadline. */
  readonly cross: CrossSigned;
  /** Ends one longest leaf life and 365 days after the deadline. */
  readonly successor: CrossSigned;
}

/** The generation that the next root of a cluster gets: no number twice. */
export function nextGeneration(
  { generation, root }: Pick<ClusterRecord, "generation" | "root">,
): number {
  return Math.max(generation ?? 0, root.generation) + 1;
}

/**
 * Begins a rotation.
 *
 * @throws {SwarmdError} `precondition` when the record is not the one that it
 * was made for, a rotation is under way, or the target is the present root or
 * one that was cut off
 * @throws {RangeError} when generation, deadline or quorum are out of range
 */
export function start(
  cluster: ClusterRecord,
  order: RotationOrder,
): ClusterRecord {
  checkBase(cluster, order.from);
  if (cluster.rotation) {
    throw impossible(
      `rotation ${cluster.rotation.id} is under way`,
      END_FIRST,
    );
  }
  return begin(cluster, order);
}

/**
 * Begins another rotation in place of the one under way, from the same present
 * root. The key of the target that is given up is gone with the record.
 *
 * @throws {SwarmdError} as {@linkcode start} does; `not-found` when another
 * rotation, or none, is under way
 */
export function replace(
  cluster: ClusterRecord,
  order: RotationOrder & { readonly replaces: string },
): ClusterRecord {
  const rotation = mustRotation(cluster, order.replaces);
  checkBase(cluster, order.from);
  if (rotation.trustFirst || !order.crossed) {
    throw impossible(
      "where roots are not cross-signed, one rotation must end before the next",
      END_FIRST,
    );
  }
  const { rotation: _, ...rest } = cluster;
  return begin({ ...rest, ...retire(cluster) }, order);
}

/** A rotation to be turned back. */
export interface AbortStep {
  readonly id: string;
  readonly now: number;
  /** @default {86_400_000} */
  readonly deadlineMs?: number;
  /** For {@linkcode RotationRecord.crossBack}, where one is needed. */
  readonly crossBack?: CrossSigned;
}

/**
 * Turns a rotation back; nothing changes when it is turned back already. The
 * target's key is gone with the record: nothing is issued under it any more.
 * But where join tokens pin the target, whoever joined by one trusts it alone:
 * then it is first recalled, and the key is kept until that is over.
 *
 * @throws {SwarmdError} `not-found` when another rotation, or none, is under way
 */
export function abort(cluster: ClusterRecord, step: AbortStep): ClusterRecord {
  const { finishAt: _, ...rotation } = mustRotation(cluster, step.id);
  const { phase } = rotation;
  if (phase === "recalling" || phase === "returning") return cluster;
  const { crossBack } = step;
  const next: RotationRecord = phase === "switching"
    ? { ...rotation, phase: "recalling", ...(crossBack && { crossBack }) }
    : giveUp(rotation);
  const deadline = step.now + (step.deadlineMs ?? DEFAULT_DEADLINE_MS);
  return { ...cluster, rotation: { ...next, deadline } };
}

/**
 * Has a rotation end without those that are down, failing or frozen, and after
 * a minute without anyone but the managers that are up. It still goes through
 * its phases, so that whoever is well is carried along.
 *
 * @throws {SwarmdError} `not-found` when another rotation, or none, is under way
 */
export function finish(
  cluster: ClusterRecord,
  step: { readonly id: string; readonly now: number },
): ClusterRecord {
  const rotation = mustRotation(cluster, step.id);
  const finishAt = rotation.finishAt ?? step.now;
  return { ...cluster, rotation: { ...rotation, finishAt } };
}

/** More than an authority elsewhere may have a leaf end later than asked. */
const OWN_MOMENTS_MS = DAY;

/**
 * How long a cross-signature that goes with leaves outlives the deadline, in
 * milliseconds: the grace. An authority elsewhere chooses its own moments, and
 * would not sign leaves that have to end with it: they never have to.
 */
export function crossReserve(
  { leafLifeMs }: Pick<ClusterRecord, "leafLifeMs">,
  { external }: Pick<RootRecord, "external">,
): number {
  if (!external) return TOKEN_GRACE_MS;
  return Math.max(TOKEN_GRACE_MS, leafLifeMs + OWN_MOMENTS_MS);
}

/** Whether the cross-signatures of a rotation have to be signed anew. */
export function isCrossDue(cluster: ClusterRecord, now: number): boolean {
  const { rotation, root } = cluster;
  if (!rotation?.cross) return false;
  const { cross: { notAfter: end }, target } = rotation;
  // Signed anew it would end no later, again and again
  if (end >= factsOf(root).notAfter) return false;
  // Less than it is to outlive the deadline by, and a tenth of the grace
  return end - now < crossReserve(cluster, target) + TOKEN_GRACE_MS * 0.1;
}

/**
 * Takes cross-signatures that were signed anew while a rotation lasts.
 *
 * @throws {SwarmdError} `not-found` when another rotation, or none, is under way
 */
export function withCross(
  cluster: ClusterRecord,
  step: { readonly id: string; readonly crossed: CrossPair },
): ClusterRecord {
  const rotation = mustRotation(cluster, step.id);
  const { cross, successor } = step.crossed;
  // One that was aborted never becomes a successor
  const changed = rotation.phase === "returning"
    ? { cross }
    : { cross, successor };
  return { ...cluster, rotation: { ...rotation, ...changed } };
}

/**
 * Cuts the present root off, and the target of a rotation with it: nothing that
 * they vouched for is good again. No cross-signature, no succession, no grace.
 * Join tokens are voided by `voidTokens`, in the same transaction.
 *
 * @throws {SwarmdError} `precondition` when the record is not the one that it
 * was made for, or the target is one of the roots cut off
 */
export function cutOver(
  cluster: ClusterRecord,
  order: {
    /** What it was made for; another record refuses it. */
    readonly from: OrderBase;
    readonly present: RootFacts;
    readonly target: TargetRoot;
  },
): ClusterRecord {
  const { target, present } = order;
  checkBase(cluster, order.from);
  checkGeneration(cluster, target);
  const { rotation, links: _, graces: __, retired: ___, ...kept } = cluster;
  const cut = new Set([...(kept.compromised ?? []), present.keyId]);
  if (rotation) cut.add(rotation.target.facts.keyId);
  const compromised = [...cut].slice(-MAX_COMPROMISED);
  checkTarget({ ...kept, compromised }, { target, present });
  const { generation } = target;
  return { ...kept, generation, root: target, compromised };
}

/** The one place where a rotation comes into a record. */
function begin(cluster: ClusterRecord, order: RotationOrder): ClusterRecord {
  const { deadlineMs = DEFAULT_DEADLINE_MS, quorum = DEFAULT_QUORUM } = order;
  const { id, now, present, target, both, crossed } = order;
  checkGeneration(cluster, target);
  if (!(quorum >= 0 && quorum <= 1) || !(deadlineMs >= 0)) {
    throw new RangeError(`Cannot rotate: quorum ${quorum}, ${deadlineMs} ms`);
  }
  checkTarget(cluster, { target, present });
  const rotation: RotationRecord = {
    id,
    phase: crossed ? "renewing" : "trusting",
    target,
    both,
    startedAt: now,
    deadline: now + deadlineMs,
    quorum,
    ...(crossed ?? { trustFirst: true }),
  };
  const root = { ...cluster.root, facts: present };
  return { ...cluster, root, generation: target.generation, rotation };
}

function checkBase(cluster: ClusterRecord, from: OrderBase): void {
  const { root, next, rotation } = orderBase(cluster);
  const same = root === from.root && next === from.next &&
    rotation === from.rotation;
  if (same) return;
  throw new SwarmdError(
    "precondition",
    "Cannot rotate the root: the root changed meanwhile",
    {
      verdict: "stop",
      hint: "Look at `swarmd ca status` and order again",
    },
  );
}

function checkGeneration(cluster: ClusterRecord, target: TargetRoot): void {
  const want = nextGeneration(cluster);
  if (target.generation === want) return;
  throw new RangeError(
    `Cannot rotate to generation ${target.generation}, want ${want}`,
  );
}

function checkTarget(
  { compromised = [] }: ClusterRecord,
  { target: { facts }, present }: Pick<RotationOrder, "target" | "present">,
): void {
  const { keyId, digest } = facts;
  if (keyId === present.keyId || digest === present.digest) {
    throw impossible("the new root is the present one, or has its key");
  }
  if (compromised.includes(keyId)) {
    throw impossible("the new root was cut off as compromised");
  }
}

function mustRotation(cluster: ClusterRecord, id: string): RotationRecord {
  const { rotation } = cluster;
  if (rotation?.id === id) return rotation;
  throw new SwarmdError(
    "not-found",
    `Cannot act on root rotation ${id}: ${
      rotation ? `rotation ${rotation.id}` : "none"
    } is under way`,
  );
}

/** What to do about a rotation that is in the way. */
const END_FIRST =
  "Wait for its end (`swarmd ca status --watch`), or turn it back with `swarmd ca abort`";

function impossible(why: string, hint?: string): SwarmdError {
  return new SwarmdError("precondition", `Cannot rotate the root: ${why}`, {
    verdict: "stop",
    ...(hint !== undefined && { hint }),
  });
}
