import { assertEquals } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { makeCluster } from "../../lib/manager/bootstrap.ts";
import { ClusterKeys } from "../../lib/manager/cluster_keys.ts";
import { SealedIdentity } from "../../lib/manager/sealed_identity.ts";
import { sealedStore } from "../../lib/manager/sealed_store.ts";
import { namedSecrets, versionsIn } from "../../lib/manager/sealed_values.ts";
import {
  formatClusterKeys,
  openClusterKeys,
  parseClusterKeyFile,
} from "../../lib/pki/cluster_key_file.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { openValue } from "../../lib/pki/sealed.ts";
import { parseUnlockKey } from "../../lib/pki/unlock_key.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { SimDisk } from "../sim/sim_disk.ts";

const CALM = {
  before: () => Promise.resolve(),
  after: () => Promise.resolve(),
};
export const NOW = Date.UTC(2026, 0, 1);

/** The process died: nothing that it still tries happens. */
export class Died extends Error {}

/** The process that has the keys open. */
export interface Running {
  readonly keys: ClusterKeys;
  readonly store: Store;
  readonly identity: SealedIdentity;
  readonly things: {
    readonly store: Store;
    readonly identity: SealedIdentity;
    readonly now: () => number;
  };
}

/**
 * The disk of a manager (store, own files, cluster.key), and the processes that
 * open it, each of which may die at any of its writes.
 */
export class Locker {
  readonly random: StreamRandom = new StreamRandom("locker");
  readonly crypto: SimCrypto = new SimCrypto(new StreamRandom("locker crypto"));
  readonly storeDisk: StoreDisk = new StoreDisk();
  readonly ownDisk: SimDisk = new SimDisk();
  /** What an operator has seen, the newest first. */
  readonly seen: string[] = [];
  /** The text of cluster.key. */
  file = "";
  /** What was erased, by the text of the file at that moment. */
  readonly erased: string[] = [];
  /** What the secrets are, by name. */
  readonly #secrets = new Map<string, string>();
  #ownKey = "";
  #writes = 0;
  #dieAt = Infinity;
  /** Processes that were started; only the newest writes. */
  #started = 0;
  /** How many of the next writes fail, though the process lives on. */
  failures: { readonly from: number; left: number } = { from: 0, left: 0 };

  static async make(): Promise<Locker> {
    const locker = new Locker();
    await locker.#fill();
    return locker;
  }

  /** Writes since the newest process was started. */
  get writes(): number {
    return this.#writes;
  }

  get cluster(): ClusterRecord {
    const cluster = this.storeDisk.open().view((v) =>
      v.get("cluster", CLUSTER)
    );
    if (!cluster) throw new Error("There is no cluster");
    return cluster;
  }

  /**
   * Starts a process.
   *
   * @param dieAt at which write it dies, from 0: at n just before write n, at
   * n + 0.5 just after it
   */
  async start(dieAt = Infinity): Promise<Running> {
    this.#dieAt = dieAt;
    this.#writes = 0;
    const process = ++this.#started;
    const write = async (what: () => void | Promise<void>) => {
      const now = this.#writes++;
      if (process !== this.#started || now >= this.#dieAt) throw new Died();
      if (now >= this.failures.from && this.failures.left > 0) {
        this.failures.left--;
        throw new SwarmdError("disk", "Cannot write: the disk is full");
      }
      await what();
      if (now + 0.5 >= this.#dieAt) throw new Died();
    };
    const { ring, unlockKey } = await this.#open();
    const keys = new ClusterKeys({
      crypto: this.crypto,
      random: this.random,
      file: { save: (text) => write(() => void (this.file = text)) },
    }, { ring, ...(unlockKey && { unlockKey }) });
    const store = sealedStore(this.#store(write), keys.ring);
    const identity = new SealedIdentity({
      identity: this.#identity(write),
      crypto: this.crypto,
      ring: keys.ring,
      locked: () => keys.locked,
    });
    const things = { store, identity, now: () => NOW };
    return { keys, store, identity, things };
  }

  /** Asserts that all that was secret can be opened, as it lies there now. */
  async assertWhole(): Promise<void> {
    const { ring } = await this.#open();
    for (const { name, value } of namedSecrets(this.cluster)) {
      const data = await openValue(this.crypto, { ring, name, value });
      assertEquals(String(data), this.#secrets.get(name));
    }
    const { identity } = await this.start();
    assertEquals((await identity.load())?.keyPem, this.#ownKey);
  }

  /** Asserts that nothing is left of older keys, or open that is to be sealed. */
  assertTidy(): void {
    const { version, locked, older } = parseClusterKeyFile(this.file);
    assertEquals(older.size, 0);
    assertEquals(versionsIn(this.cluster), new Set([version]));
    const kept = this.ownDisk.image.content.identities;
    assertEquals(kept.length, 1);
    const [label = ""] = kept[0]?.keyPem.split("\n") ?? [];
    assertEquals(label.includes("SEALED"), locked);
    assertEquals(kept[0]?.keyPem === this.#ownKey, !locked);
  }

  async #fill(): Promise<void> {
    const ring = new Map([[1, this.random.bytes(32)]]);
    this.file = await formatClusterKeys(this.crypto, ring);
    const store = this.storeDisk.open();
    await makeCluster(store, {
      crypto: this.crypto,
      random: this.random,
      now: NOW,
      clusterKey: ring.get(1) ?? new Uint8Array(),
      leafLifeMs: 1,
      drill: true,
    });
    for (const { name, value } of namedSecrets(this.cluster)) {
      const data = await openValue(this.crypto, { ring, name, value });
      this.#secrets.set(name, String(data));
    }
    assertEquals(this.#secrets.size, 3);
    const { privateKey } = await this.crypto.generateKey();
    const pkcs8 = await this.crypto.exportPkcs8(privateKey);
    this.#ownKey = encodePem("PRIVATE KEY", pkcs8);
    await this.ownDisk.open(CALM).save({
      rootsPem: "roots",
      certificatePem: "certificate",
      keyPem: this.#ownKey,
    });
  }

  /** With whichever key that the operator has seen. */
  async #open() {
    const file = parseClusterKeyFile(this.file);
    if (!file.locked) {
      return { ring: await openClusterKeys(this.crypto, file) };
    }
    for (const text of this.seen) {
      const unlockKey = await parseUnlockKey(this.crypto, text);
      if (unlockKey.version !== file.version) continue;
      const ring = await openClusterKeys(this.crypto, file, unlockKey);
      return { ring, unlockKey };
    }
    throw new Error("The operator has no key for it");
  }

  #store(
    write: (what: () => Promise<void>) => Promise<void>,
  ): Store {
    const store = this.storeDisk.open();
    return {
      get fault() {
        return store.fault;
      },
      view: (read) => store.view(read),
      update: async (change) => {
        const { promise, resolve } = Promise.withResolvers<
          Awaited<ReturnType<typeof change>>
        >();
        await write(async () => resolve(await store.update(change) as never));
        return await promise;
      },
      entries: (log, page) => store.entries(log, page),
      watch: (listener) => store.watch(listener),
      erase: () =>
        write(() => {
          this.erased.push(this.file);
          return Promise.resolve();
        }),
      close: () => store.close(),
    };
  }

  #identity(write: (what: () => Promise<void>) => Promise<void>) {
    const identity = this.ownDisk.open(CALM);
    return {
      ...identity,
      save: (stored: Parameters<typeof identity.save>[0]) =>
        write(() => identity.save(stored)),
      confirm: () => write(() => identity.confirm()),
    };
  }
}
