import type { Bytes } from "../base/bytes.ts";
import { fromBase64, toBase64 } from "../base/bytes.ts";
import { newId, type Random } from "../base/random.ts";
import { DAY } from "../base/time.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import type { CrossSigned } from "../cluster/root_record.ts";
import {
  type CrossPair,
  DEFAULT_DEADLINE_MS,
  nextGeneration,
  type RotationOrder,
} from "../cluster/root_rotation.ts";
import { TOKEN_GRACE_MS } from "../cluster/rotation_steps.ts";
import { factsOf } from "../cluster/root_views.ts";
import { readCertificate } from "../pki/certificate.ts";
import { crossSign } from "../pki/cross_sign.ts";
import type { Crypto } from "../pki/crypto.ts";
import { newestKey } from "../pki/sealed.ts";
import { bundleDigest } from "../pki/trust_bundle.ts";
import type { Authority, Issuer } from "./authorities.ts";
import {
  type AuthoritySource,
  type AuthorityTexts,
  type MadeRoot,
  makeRoot,
} from "./authority_source.ts";

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

/** Everything that a rotation begins with, made before anything is written. */
export async function orderRotation(
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
  const cross = { ...plan, deadline, generation: made.record.generation };
  return {
    id: newId(random),
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

/** The present root vouches for the target: for the rotation, and for later. */
export async function crossPair(
  cluster: ClusterRecord,
  plan: Pick<RootMaking, "crypto" | "random" | "now"> & {
    readonly present: Authority;
    readonly made: Pick<MadeRoot, "certificate">;
    readonly generation: number;
    readonly deadline: number;
  },
): Promise<CrossPair> {
  const { crypto, present, made: { certificate: root }, deadline } = plan;
  const sign = async (
    successor: boolean,
    end: number,
  ): Promise<CrossSigned> => {
    const der = await crossSign(crypto, {
      ...plan,
      clusterId: cluster.id,
      root,
      successor,
      issuer: present.root,
      issuerKey: present.key,
      end,
    });
    const { notAfter } = await readCertificate(crypto, der);
    return { certificate: toBase64(der), notAfter };
  };
  return {
    cross: await sign(false, deadline + TOKEN_GRACE_MS),
    successor: await sign(true, deadline + cluster.leafLifeMs + RETURN_MS),
  };
}
