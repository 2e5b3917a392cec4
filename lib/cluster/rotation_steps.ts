import { DAY } from "../base/time.ts";
import { MAX_SUCCESSION } from "../pki/succession.ts";
import type { ClusterRecord } from "./cluster.ts";
import {
  hasSigner,
  type RootGrace,
  type RootHistory,
  type RootRecord,
  type RotationPhase,
  type RotationRecord,
  type SuccessionLink,
} from "./root_record.ts";
import { factsOf } from "./root_views.ts";
import { isPhaseOver, type RotationLook } from "./rotation_progress.ts";

/** How long tokens that pin a replaced root still work, in milliseconds. */
export const TOKEN_GRACE_MS = 7 * DAY;

/** Cross-signatures of given-up rotations that are remembered. */
const MAX_RETIRED = 8;

/**
 * Takes a step, if the present phase is over. Call it again until it takes
 * none; what nodes are to do follows from the record.
 *
 * @returns the next record; `undefined` when there is nothing to do
 */
export function advance(
  cluster: ClusterRecord,
  look: RotationLook,
): ClusterRecord | undefined {
  const { rotation } = cluster;
  if (!rotation || !isPhaseOver(cluster, look)) return undefined;
  const next = rotation.trustFirst
    ? AFTER_TRUST_FIRST[rotation.phase]
    : AFTER[rotation.phase];
  if (next === "old root") return settle(cluster);
  if (next === "new root") return succeed(cluster, look.now);
  const begun = next === "returning"
    ? giveUp(rotation)
    : { ...rotation, phase: next };
  return { ...cluster, rotation: { ...begun, phaseAt: look.now } };
}

type Next = RotationPhase | "new root" | "old root";

/** What follows a phase. */
const AFTER: Readonly<Record<RotationPhase, Next>> = {
  renewing: "trusting",
  trusting: "new root",
  switching: "new root", // unreachable
  recalling: "returning", // unreachable
  returning: "old root",
};
const AFTER_TRUST_FIRST: Readonly<Record<RotationPhase, Next>> = {
  trusting: "renewing",
  renewing: "switching",
  switching: "new root",
  recalling: "returning",
  returning: "old root",
};

/** Everybody goes back; nobody signs for the target any more, nor vouches for it. */
export function giveUp(rotation: RotationRecord): RotationRecord {
  const { successor: _, target, ...rest } = rotation;
  const { key: __, external: ___, ...bare } = target;
  return { ...rest, target: bare, phase: "returning" };
}

/**
 * Forgets what nobody needs any more.
 *
 * @returns the record without it; `undefined` when there is nothing to forget
 */
export function forgetHistory(
  cluster: ClusterRecord,
  now: number,
): ClusterRecord | undefined {
  const { links = [], graces = [], retired = [] } = cluster;
  const left = {
    links: links.filter(({ until }) => now < until),
    graces: graces.filter(({ until }) => now < until),
    retired: retired.filter(({ notAfter }) => now <= notAfter),
  };
  const same = left.links.length === links.length &&
    left.graces.length === graces.length &&
    left.retired.length === retired.length;
  return same ? undefined : withHistory(cluster, left);
}

/** The cross-signature of a rotation that ends without its target. */
export function retire(cluster: ClusterRecord): Pick<RootHistory, "retired"> {
  const { rotation, retired = [] } = cluster;
  if (!rotation?.cross) return {};
  return { retired: [...retired, rotation.cross].slice(-MAX_RETIRED) };
}

/** The target takes over; only now does it become a successor. */
function succeed(cluster: ClusterRecord, now: number): ClusterRecord {
  const { rotation, ...rest } = cluster;
  if (!rotation || !hasSigner(rotation.target)) {
    throw new TypeError("No target to take over"); // unreachable
  }
  const { target: root } = rotation;
  const links = linkTo(rotation, cluster.root);
  // Without one nobody gets across, from the present root or from before it
  if (!links) return withHistory({ ...rest, root }, {});
  return withHistory({ ...rest, root }, {
    links: [...(cluster.links ?? []), ...links].slice(-MAX_SUCCESSION),
    graces: [
      ...graceOf(rotation, { root: cluster.root, now }),
      ...liveGraces(cluster, now),
    ],
    retired: cluster.retired ?? [],
  });
}

function linkTo(
  { successor, target }: RotationRecord,
  root: RootRecord,
): SuccessionLink[] | undefined {
  if (!successor) return undefined;
  return [{
    from: root.generation,
    to: target.generation,
    digest: factsOf(root).digest,
    certificate: root.certificate,
    root: target.certificate,
    cross: successor.certificate,
    until: successor.notAfter,
  }];
}

function graceOf(
  { cross }: RotationRecord,
  { root, now }: { readonly root: RootRecord; readonly now: number },
): RootGrace[] {
  if (!cross) return [];
  const { certificate } = root;
  const until = Math.min(now + TOKEN_GRACE_MS, cross.notAfter);
  return [{ digest: factsOf(root).digest, certificate, cross, until }];
}

function liveGraces({ graces = [] }: ClusterRecord, now: number): RootGrace[] {
  return graces.filter(({ until }) => now < until);
}

/** The present root stays; the leaves that were issued meanwhile fade out. */
function settle(cluster: ClusterRecord): ClusterRecord {
  const { rotation: _, ...rest } = cluster;
  return { ...rest, ...retire(cluster) };
}

/** Empty lists are left out, so that records stay as they were before. */
function withHistory(
  cluster: ClusterRecord,
  history: Pick<RootHistory, "links" | "graces" | "retired">,
): ClusterRecord {
  const { links: _, graces: __, retired: ___, ...rest } = cluster;
  const { links = [], graces = [], retired = [] } = history;
  return {
    ...rest,
    ...(links.length > 0 && { links }),
    ...(graces.length > 0 && { graces }),
    ...(retired.length > 0 && { retired }),
  };
}
