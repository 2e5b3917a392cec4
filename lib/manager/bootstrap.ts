import { toBase64, toHex } from "../base/bytes.ts";
import { newId, type Random } from "../base/random.ts";
import { audit } from "../cluster/audit.ts";
import {
  CLUSTER_KEY_VERSION,
  type ClusterRecord,
  DEFAULT_HEARTBEAT_MS,
  type StandingToken,
} from "../cluster/cluster.ts";
import type { NodeRecord } from "../cluster/node.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Crypto } from "../pki/crypto.ts";
import { type AuthoritySource, makeRoot } from "./authority_source.ts";
import { tokenId, tokenKey } from "../pki/join_token.ts";
import type { Role } from "../pki/profile.ts";
import { sealValue } from "../pki/sealed.ts";

/** What a new cluster is made from. */
export interface ClusterPlan {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** 32 bytes that seal the root key and the tokens at rest. */
  readonly clusterKey: Bytes;
  readonly leafLifeMs: number;
  readonly drill: boolean;
  /** Default: 5 s. */
  readonly heartbeatMs?: number;
  /** Who is to sign. Absent: a new root. */
  readonly source?: AuthoritySource;
}

/** What a standing token is made with. */
export interface TokenPlan
  extends Pick<ClusterPlan, "crypto" | "random" | "now"> {
  readonly key: { readonly version: number; readonly key: Bytes };
}

/**
 * Makes a cluster: its id, root CA, standing tokens and first manager, in one
 * transaction. The manager's certificate is made when it first runs, so that a
 * process that dies here leaves a whole cluster or none.
 */
export async function makeCluster(
  store: Store,
  plan: ClusterPlan,
): Promise<ClusterRecord> {
  const made = await planCluster(plan);
  const manager: NodeRecord = {
    id: newId(plan.random),
    role: "manager",
    admission: "active",
    createdAt: plan.now,
    certificates: {},
  };
  const cluster = { ...made, ownNode: manager.id };
  await store.update((tx) => {
    if (tx.get("cluster", CLUSTER)) {
      throw new TypeError("Cannot make a cluster: the store holds one");
    }
    tx.put("cluster", CLUSTER, cluster);
    tx.put("node", manager.id, manager);
    const entry = { at: plan.now, action: "cluster-made" } as const;
    audit(tx, { ...entry, node: manager.id, by: "operator" });
  });
  return cluster;
}

async function planCluster(
  plan: ClusterPlan,
): Promise<Omit<ClusterRecord, "ownNode">> {
  const key = { version: CLUSTER_KEY_VERSION, key: plan.clusterKey };
  const { record: root } = await makeRoot({
    ...plan,
    sealing: key,
    generation: 1,
  });
  return {
    id: newId(plan.random),
    createdAt: plan.now,
    drill: plan.drill,
    leafLifeMs: plan.leafLifeMs,
    heartbeatMs: plan.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    root,
    tokens: await makeStandingTokens({ ...plan, key }),
    managers: [],
  };
}

/** Makes a standing token for each role, sealed under a cluster key. */
export async function makeStandingTokens(
  plan: TokenPlan,
): Promise<Record<Role, StandingToken>> {
  return {
    worker: await makeStandingToken(plan, "worker"),
    manager: await makeStandingToken(plan, "manager"),
  };
}

async function makeStandingToken(
  { crypto, random, now: createdAt, key }: TokenPlan,
  role: Role,
): Promise<StandingToken> {
  const data = random.bytes(16);
  return {
    id: await tokenId(crypto, data),
    key: toBase64(await tokenKey(crypto, data)),
    secret: await sealValue(crypto, { key, name: tokenName(role), data }),
    createdAt,
  };
}

/** What the standing token of a role is called when it is sealed. */
export function tokenName(role: Role): string {
  return `standing-token/${role}`;
}

/** SHA-256 of an SPKI, as records hold it. */
export async function spkiHash(crypto: Crypto, spki: Bytes): Promise<string> {
  return toHex(await crypto.sha256(spki));
}
