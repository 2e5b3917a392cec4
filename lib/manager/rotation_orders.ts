import type { Bytes } from "../base/bytes.ts";
import { fromBase64, toBase64 } from "../base/bytes.ts";
import { newId, type Random } from "../base/random.ts";
import { DAY } from "../base/time.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import type { CrossSigned, RootRecord } from "../cluster/root_record.ts";
import {
  type CrossPair,
  crossReserve,
  DEFAULT_DEADLINE_MS,
  nextGeneration,
  orderBase,
  replace,
  type RotationOrder,
  start,
} from "../cluster/root_rotation.ts";
import { factsOf } from "../cluster/root_views.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import { type CrossOrder, crossSign } from "../pki/cross_sign.ts";
import type { Crypto } from "../pki/crypto.ts";
import { isForeign } from "../pki/profile.ts";
import { newestKey } from "../pki/sealed.ts";
import { bundleDigest } from "../pki/trust_bundle.ts";
import type { Authorities, Authority, Issuer } from "./authorities.ts";
import {
  type AuthoritySource,
  type AuthorityTexts,
  type MadeRoot,
  makeRoot,
} from "./authority_source.ts";
import { mustCluster } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";

/** How long a node that was off may still find its way back, in milliseconds. */
const RETURN_MS = 365 * DAY;

/** What a new root is made with. */
export interface RootMaking {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Cluster keys by version; the highest seals. */
  readonly keyRing: ReadonlyMap<number, Bytes>;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** Where it comes from. Absent: a new root. */
  readonly source?: AuthoritySource;
}

/** Makes the next root of a cluster, its secrets sealed. */
export async function makeNextRoot(
  cluster: ClusterRecord,
  making: RootMaking,
): Promise<MadeRoot> {
  const generation = nextGeneration(cluster);
  const sealing = newestKey(making.keyRing);
  const der = fromBase64(cluster.root.certificate);
  const { notBefore: since } = await readCertificate(making.crypto, der);
  return await makeRoot({ ...making, sealing, generation, since });
}

/** What an operator wants of a rotation. */
export interface RotationWish {
  readonly deadlineMs?: number;
  /** 0 to 1. */
  readonly quorum?: number;
  /** The present root need not, or cannot, vouch for the next. */
  readonly trustFirst?: boolean;
  /** Who is to sign. Absent: a new root. */
  readonly authority?: AuthorityTexts;
}

/**
 * Who vouches for the next root, as the record is at this moment.
 *
 * @throws {SwarmdError} `not-supported` when the key is not here;
 * `precondition` when `trustFirst` is for a root that needs no such thing
 */
function whoVouches(
  authorities: Pick<Authorities, "present" | "root">,
  { trustFirst }: RotationWish,
): Issuer {
  // Only to ask for the present one refuses where its key is elsewhere
  return trustFirst ? { root: foreign(authorities.root) } : authorities.present;
}

/**
 * Reads and tries the authority that a wish names; nothing for a new root.
 *
 * @throws {SwarmdError} as {@linkcode whoVouches} does, before an authority is
 * asked in vain, for seconds
 */
export async function readSource(
  { readAuthority, authorities, store }: Pick<
    RotationParts,
    "readAuthority" | "authorities" | "store"
  >,
  wish: RotationWish,
): Promise<AuthoritySource | undefined> {
  const { authority, trustFirst } = wish;
  const { external } = store.view(mustCluster).root;
  // It may be the present one, whose servers are others
  const mayBePresent = external && authority && "external" in authority;
  if (!mayBePresent) whoVouches(authorities, wish);
  if (!authority) return undefined;
  // What is cross-signed leans on the present root, and has to end with it
  const until = trustFirst || external ? Infinity : authorities.root.notAfter;
  if (readAuthority) return await readAuthority(authority, { until });
  throw new SwarmdError("not-supported", "Only own roots are known here");
}

/** A rotation that only has to be written. */
export interface PlannedRotation {
  readonly id: string;
  /**
   * The record with it.
   *
   * @throws {SwarmdError} as {@linkcode start} and {@linkcode replace} do
   */
  readonly next: (cluster: ClusterRecord) => ClusterRecord;
}

/** Makes all that a rotation needs for the record as it is, and writes nothing. */
export async function planRotation(
  parts: RotationParts,
  { wish, source }: {
    readonly wish: RotationWish;
    /** Absent: a new root. */
    readonly source: AuthoritySource | undefined;
  },
): Promise<PlannedRotation> {
  const { store, authorities, clock } = parts;
  const present = whoVouches(authorities, wish);
  const before = store.view(mustCluster);
  const making = { ...parts, now: clock.now(), ...(source && { source }) };
  const made = await makeNextRoot(before, making);
  const plan = { ...making, present, made, wish };
  const order = await orderRotation(before, plan);
  const { id, from: { rotation: replaces } } = order;
  const next = (cluster: ClusterRecord) =>
    replaces === undefined
      ? start(cluster, order)
      : replace(cluster, { ...order, replaces });
  return { id, next };
}

/** Everything that a rotation begins with, made before anything is written. */
async function orderRotation(
  cluster: ClusterRecord,
  plan: RootMaking & {
    /** Its key is needed unless it does not vouch for the next. */
    readonly present: Issuer;
    readonly made: MadeRoot;
    readonly wish: RotationWish;
  },
): Promise<RotationOrder> {
  const { crypto, random, now, present, made, wish } = plan;
  const { deadlineMs = DEFAULT_DEADLINE_MS, quorum } = wish;
  const { root, key } = present;
  const roots = [root, made.certificate];
  const deadline = now + deadlineMs;
  const cross = { ...plan, deadline };
  return {
    id: newId(random),
    from: orderBase(cluster),
    now,
    present: factsOf(cluster.root),
    target: made.record,
    both: await bundleDigest(crypto, { roots }),
    deadlineMs,
    ...(quorum !== undefined && { quorum }),
    ...(key && {
      crossed: await crossPair(cluster, { ...cross, present: { root, key } }),
    }),
  };
}

/**
 * A target of our own vouches for the present root, before a rotation is
 * recalled. It is good for as long as that root: nobody else can have its key
 * sign, which is gone soon, and nobody is to trust it afterwards.
 *
 * @returns `undefined` where nobody needs it: who pins a foreign target takes a
 * manager's word
 */
export async function crossBackOf(
  cluster: ClusterRecord,
  { crypto, random, clock, authorities }: Pick<
    RotationParts,
    "crypto" | "random" | "clock" | "authorities"
  >,
): Promise<CrossSigned | undefined> {
  if (cluster.rotation?.phase !== "switching") return undefined;
  const [present, target] = authorities.issuers;
  if (!present || !target?.key || isForeign(target.root)) return undefined;
  const { root } = present;
  return await crossSigned(crypto, {
    ...{ root, issuer: target.root, issuerKey: target.key },
    ...{ random, now: clock.now(), end: root.notAfter },
    clusterId: cluster.id,
    generation: cluster.root.generation,
    successor: false,
  });
}

/** The present root vouches for the target: for the rotation, and for later. */
export async function crossPair(
  cluster: ClusterRecord,
  plan: Pick<RootMaking, "crypto" | "random" | "now"> & {
    readonly present: Authority;
    readonly made: Pick<MadeRoot, "certificate"> & {
      readonly record: RootRecord;
    };
    readonly deadline: number;
  },
): Promise<CrossPair> {
  const { crypto, present, made: { certificate: root, record }, deadline } =
    plan;
  const sign = (successor: boolean, end: number) =>
    crossSigned(crypto, {
      ...plan,
      clusterId: cluster.id,
      generation: record.generation,
      root,
      successor,
      issuer: present.root,
      issuerKey: present.key,
      end,
    });
  return {
    cross: await sign(false, deadline + crossReserve(cluster, record)),
    successor: await sign(true, deadline + cluster.leafLifeMs + RETURN_MS),
  };
}

async function crossSigned(
  crypto: Crypto,
  order: CrossOrder,
): Promise<CrossSigned> {
  const der = await crossSign(crypto, order);
  const { notAfter } = await readCertificate(crypto, der);
  return { certificate: toBase64(der), notAfter };
}

/** Nodes take no new root on a manager's word while they trust one of ours. */
function foreign(root: Certificate): Certificate {
  if (isForeign(root)) return root;
  throw new SwarmdError(
    "precondition",
    "Cannot rotate by trust first: the present root is the cluster's own, and can vouch for the next",
    { verdict: "stop", hint: "Leave --trust-first out" },
  );
}
