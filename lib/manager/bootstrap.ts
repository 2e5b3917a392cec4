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
import { tokenId, tokenKey } from "../pki/join_token.ts";
import type { Role } from "../pki/profile.ts";
import { createRoot } from "../pki/root.ts";
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
  const cluster = await planCluster(plan);
  const manager: NodeRecord = {
    id: newId(plan.random),
    role: "manager",
    admission: "active",
    createdAt: plan.now,
    certificates: {},
  };
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

async function planCluster(plan: ClusterPlan): Promise<ClusterRecord> {
  const root = await makeRoot(plan);
  return {
    id: newId(plan.random),
    createdAt: plan.now,
    drill: plan.drill,
    leafLifeMs: plan.leafLifeMs,
    heartbeatMs: plan.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    root,
    tokens: {
      worker: await makeToken(plan, "worker"),
      manager: await makeToken(plan, "manager"),
    },
    managers: [],
  };
}

async function makeRoot(plan: ClusterPlan): Promise<ClusterRecord["root"]> {
  const { crypto, random, now } = plan;
  const key = await crypto.generateKey();
  const generation = 1;
  const der = await createRoot(crypto, { random, now, generation, key });
  const sealed = await sealValue(crypto, {
    key: { version: CLUSTER_KEY_VERSION, key: plan.clusterKey },
    name: rootKeyName(generation),
    data: await crypto.exportPkcs8(key.privateKey),
  });
  return { generation, certificate: toBase64(der), key: sealed };
}

async function makeToken(
  plan: ClusterPlan,
  role: Role,
): Promise<StandingToken> {
  const { crypto } = plan;
  const secret = plan.random.bytes(16);
  return {
    id: await tokenId(crypto, secret),
    key: toBase64(await tokenKey(crypto, secret)),
    secret: await sealValue(crypto, {
      key: { version: CLUSTER_KEY_VERSION, key: plan.clusterKey },
      name: tokenName(role),
      data: secret,
    }),
    createdAt: plan.now,
  };
}

/** What the root key of a generation is called when it is sealed. */
export function rootKeyName(generation: number): string {
  return `root-key/${generation}`;
}

/** What the standing token of a role is called when it is sealed. */
export function tokenName(role: Role): string {
  return `standing-token/${role}`;
}

/** SHA-256 of an SPKI, as records hold it. */
export async function spkiHash(crypto: Crypto, spki: Bytes): Promise<string> {
  return toHex(await crypto.sha256(spki));
}
