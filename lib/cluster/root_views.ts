import { MAX_SUCCESSION } from "../pki/succession.ts";
import type { Role } from "../pki/profile.ts";
import type { ClusterRecord } from "./cluster.ts";
import {
  type CrossSigned,
  hasSigner,
  type RootFacts,
  type RootRecord,
  type SuccessionLink,
  type TargetRoot,
} from "./root_record.ts";

/**
 * What a root's record knows of its certificate.
 *
 * @throws {TypeError} when it was never written down: a rotation begins by it
 */
export function factsOf({ facts, generation }: RootRecord): RootFacts {
  if (facts) return facts;
  throw new TypeError(`The facts of root ${generation} are not in its record`);
}

/** For whom a certificate is to be issued. */
export interface IssueContext {
  readonly role: Role;
  /** Digest of the bundle that the node said it trusts; absent when it joins. */
  readonly trusts?: string;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/** Who issues now. */
export interface PresentIssuer {
  readonly root: RootRecord;
  /**
   * What goes after the leaf, base64 DER. It is stored with the leaf and sent
   * with it as long as it is used: a later phase changes what is issued, never
   * what an issued leaf is sent with.
   */
  readonly chain: readonly string[];
  /**
   * End of what a leaf has to lean on while not everybody trusts its root, in
   * milliseconds: it must be renewed before, and so may not outlive it.
   */
  readonly until?: number;
}

/** Which root issues now, and what a leaf is to be sent with. */
export function issuerFor(
  cluster: ClusterRecord,
  context: IssueContext,
): PresentIssuer {
  const { root, rotation } = cluster;
  const graces = crossesInGrace(cluster, context.now);
  if (!rotation || !isUnderTarget(cluster, context)) {
    return { root, chain: graces };
  }
  const { target, cross } = rotation;
  if (!hasSigner(target)) throw new TypeError("A target without signer issues"); // unreachable
  return {
    root: target,
    chain: cross ? [cross.certificate, ...graces] : graces,
    ...(cross && { until: cross.notAfter }),
  };
}

function isUnderTarget(
  { root, rotation }: ClusterRecord,
  { role, trusts }: IssueContext,
): boolean {
  if (!rotation) return false;
  const { phase, trustFirst = false, both } = rotation;
  if (!trustFirst) return phase !== "returning";
  // Without a cross-signature a leaf is good only for who trusts its root, and
  // a manager's only when all do.
  const ready = role === "worker" && trusts === both;
  if (phase === "renewing") return ready;
  const pinsTarget = phase === "switching" || phase === "recalling" && !ready;
  return pinsTarget && trusts !== root.facts?.bundle;
}

/** Most crosses of ended rotations that a leaf is sent with: TLS costs. */
const MAX_GRACES = 2;

/**
 * Whoever asked for the root just before a rotation ended pins the old one, and
 * has to verify both the managers and its own new certificate with it.
 */
function crossesInGrace(cluster: ClusterRecord, now: number): string[] {
  const live = (cluster.graces ?? []).filter(({ until }) => now < until);
  return live.slice(0, MAX_GRACES).map(({ cross }) => cross.certificate);
}

/** What admission verifies peers with. */
export interface Anchors {
  /** Base64 DER. */
  readonly roots: readonly string[];
  /** The cluster's own cross-signed certificates, base64 DER. */
  readonly intermediates: readonly string[];
  /** Roots that lead to the present one: to recover with. Base64 DER. */
  readonly dropped: readonly string[];
}

/** What the manager accepts chains to, and completes them with. */
export function anchorsOf(cluster: ClusterRecord): Anchors {
  const { rotation, links = [], graces = [], retired = [] } = cluster;
  const own: readonly CrossSigned[] = [
    ...(rotation?.cross ? [rotation.cross] : []),
    ...graces.map(({ cross }) => cross),
    ...retired,
  ];
  const certificates = [
    ...own.map(({ certificate }) => certificate),
    ...links.map(({ cross }) => cross),
  ];
  return {
    roots: trustedRoots(cluster).map(({ certificate }) => certificate),
    intermediates: [...new Set(certificates)],
    dropped: links.map(({ certificate }) => certificate),
  };
}

/** Whether a certificate may ever be good again, to `recover` with. */
export function mayRecover(
  { compromised = [] }: Pick<ClusterRecord, "compromised">,
  issuerKeyId: string,
): boolean {
  return !compromised.includes(issuerKeyId);
}

/** A root that nodes are to trust. */
export interface BundleRoot {
  readonly generation: number;
  /** Base64 DER. */
  readonly certificate: string;
  /** Vouches for it to who trusts only the root before; base64 DER. */
  readonly cross?: string;
}

/** What nodes are to trust now. */
export interface Bundle {
  /** What a node says in its `hello` that has adopted it. */
  readonly digest: string;
  readonly roots: readonly BundleRoot[];
}

/**
 * What nodes are to trust now.
 *
 * @throws {TypeError} when the facts of the root are not in its record
 */
export function bundleOf(cluster: ClusterRecord): Bundle {
  const { root, rotation } = cluster;
  const roots = trustedRoots(cluster).map((each): BundleRoot => {
    const { generation, certificate } = each;
    const cross = crossFor(cluster, each);
    return { generation, certificate, ...(cross && { cross }) };
  });
  const digest = rotation && roots.length > 1
    ? rotation.both
    : factsOf(root).bundle;
  return { digest, roots };
}

/**
 * The bundle that a node is to be sent, by what it said that it trusts.
 *
 * @returns `undefined` when it trusts that, or could not take it: who pins a
 * target of our own would refuse the present root again and again until, in a
 * recall, the target vouches for it. Before that it needs no other root
 */
export function offerFor(
  cluster: ClusterRecord,
  trusts: string | undefined,
): Bundle | undefined {
  const bundle = bundleOf(cluster);
  if (trusts === bundle.digest) return undefined;
  const { trustFirst, crossBack, target } = cluster.rotation ?? {};
  const facts = trustFirst && !crossBack ? target?.facts : undefined;
  return facts?.own && trusts === facts.bundle ? undefined : bundle;
}

function crossFor(
  { root, rotation, links = [] }: ClusterRecord,
  of: RootRecord,
): string | undefined {
  if (of !== root) return rotation?.cross?.certificate;
  // Not a link: who pins a foreign target takes a manager's word, but for no
  // root that is vouched for by one that it does not know
  if (rotation?.trustFirst) return rotation.crossBack?.certificate;
  return links.find(({ to }) => to === root.generation)?.cross;
}

function trustedRoots(cluster: ClusterRecord): (RootRecord | TargetRoot)[] {
  const { root, rotation } = cluster;
  if (!rotation) return [root];
  // Trust-first: leaves under the target have nothing else to lean on.
  const both = rotation.trustFirst || rotation.phase === "trusting";
  return both ? [root, rotation.target] : [root];
}

/** The root whose digest a join token made now has to carry. */
export function tokenRootOf(cluster: ClusterRecord): RootRecord | TargetRoot {
  const { root, rotation } = cluster;
  const pinsTarget = rotation?.phase === "switching" ||
    rotation?.phase === "recalling";
  return pinsTarget ? rotation.target : root;
}

/** What who pins a root is told. */
export interface RootAnswer {
  /** The root of the digest, base64 DER. */
  readonly certificate: string;
  /** The way from it to the present root; none when it is the present one. */
  readonly links: readonly SuccessionLink[];
}

/**
 * Answers a joiner whose token pins a root: the present one, or for a time one
 * that was replaced.
 *
 * @returns `undefined` when no token of that digest works any more
 */
export function caRootAnswer(
  cluster: ClusterRecord,
  { digest, now }: { readonly digest: string; readonly now: number },
): RootAnswer | undefined {
  const present = tokenRootOf(cluster);
  const { certificate } = present;
  if (present.facts?.digest === digest) return { certificate, links: [] };
  const grace = cluster.graces?.find((each) => each.digest === digest);
  if (!grace || now >= grace.until) return undefined;
  const links = successionFrom(cluster, { digests: [digest], now });
  return links && { certificate: grace.certificate, links };
}

/**
 * The way to the present root from the latest of the roots that a node trusts.
 * Links of a rotation that is under way are not part of it: it may be aborted.
 *
 * @returns `undefined` when there is none; nothing is missing when it is empty
 */
export function successionFrom(
  cluster: ClusterRecord,
  { digests, now }: {
    readonly digests: readonly string[];
    readonly now: number;
  },
): readonly SuccessionLink[] | undefined {
  const { root, links = [] } = cluster;
  if (digests.includes(root.facts?.digest ?? "")) return [];
  const live = links.filter(({ until }) => now < until);
  const begin = live.findLastIndex(({ digest }) => digests.includes(digest));
  if (begin < 0) return undefined;
  const way = live.slice(begin);
  return way.length <= MAX_SUCCESSION && reaches(way, root.generation)
    ? way
    : undefined;
}

/** Without a gap, up to a generation. */
function reaches(way: readonly SuccessionLink[], generation: number): boolean {
  return way.every(({ to }, i) => to === (way[i + 1]?.from ?? generation));
}
