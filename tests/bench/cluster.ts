import type { Bytes } from "../../lib/base/bytes.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { Authorities, type Authority } from "../../lib/manager/authorities.ts";
import { makeCluster } from "../../lib/manager/bootstrap.ts";
import { mustCluster } from "../../lib/manager/records.ts";
import {
  serverCrypto,
  systemClock,
  systemCrypto,
  systemRandom,
} from "../../lib/net/system.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { openSqliteStore } from "../../lib/store/sqlite.ts";

/** A cluster's state, durable as a manager's is. */
export interface OpenCluster extends AsyncDisposable {
  readonly store: Store;
  readonly record: ClusterRecord;
  readonly keyRing: ReadonlyMap<number, Bytes>;
  readonly authorities: Authorities;
  readonly crypto: Crypto;
}

/** How {@linkcode openCluster} opens. */
export interface ClusterOptions {
  /** Default: a new one, which is removed at the end. */
  readonly folder?: string;
  readonly leafLifeMs: number;
  /** Default: as new clusters have it. */
  readonly heartbeatMs?: number;
}

/** The key that seals the secrets of clusters that are made for a bench. */
const KEY_RING = new Map([[1, new Uint8Array(32).fill(7)]]);

/** Opens the cluster in a folder, or makes one. */
export async function openCluster(
  { folder, leafLifeMs, heartbeatMs }: ClusterOptions,
): Promise<OpenCluster> {
  const path = folder ?? await Deno.makeTempDir({ prefix: "swarmd-bench-" });
  const store = await openSqliteStore(`${path}/swarmd.db`);
  if (!store.view((view) => view.get("cluster", "cluster"))) {
    await makeCluster(store, {
      crypto: systemCrypto,
      random: systemRandom,
      now: systemClock.now(),
      clusterKey: KEY_RING.get(1) ?? new Uint8Array(),
      leafLifeMs,
      drill: false,
    });
  }
  if (heartbeatMs !== undefined) {
    await store.update((tx) => {
      const cluster = mustCluster(tx);
      tx.put("cluster", CLUSTER, { ...cluster, heartbeatMs });
    });
  }
  const parts = { store, keyRing: KEY_RING, crypto: await serverCrypto() };
  return {
    ...parts,
    record: store.view(mustCluster),
    authorities: await Authorities.open({
      ...parts,
      makeSigner: (authority: Authority) =>
        localSigner(parts.crypto, authority),
    }),
    async [Symbol.asyncDispose]() {
      await store.close();
      if (folder === undefined) await Deno.remove(path, { recursive: true });
    },
  };
}
