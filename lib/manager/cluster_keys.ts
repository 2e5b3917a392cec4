import type { Bytes } from "../base/bytes.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { audit } from "../cluster/audit.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import { formatClusterKeys, type KeyRing } from "../pki/cluster_key_file.ts";
import type { Crypto } from "../pki/crypto.ts";
import {
  newestKey,
  openValue,
  type SealedValue,
  sealValue,
} from "../pki/sealed.ts";
import {
  formatUnlockKey,
  makeUnlockKey,
  parseUnlockKey,
  type UnlockKey,
} from "../pki/unlock_key.ts";
import {
  type NamedSecret,
  replaceSealed,
  staleSecrets,
  versionsIn,
} from "./sealed_values.ts";

const KEY_BYTES = 32;
/** Secrets that are sealed anew in one transaction. */
const BATCH = 16;
/** Far more than there can be secrets: writers that never end are a mistake. */
const MAX_BATCHES = 64;

/** How often what was written meanwhile is sealed anew. */
const MAX_TURNS = 3;

/** Where `cluster.key` is. */
export interface ClusterKeySink {
  /** Replaces it: on the disk when the promise resolves. */
  save(text: string): Promise<void>;
}

/** What the cluster's keys work with. */
export interface ClusterKeyParts {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly file: ClusterKeySink;
}

/** What is sealed under the cluster's keys. */
export interface SealedThings {
  readonly store: Store;
  /** The manager's own files. */
  readonly identity: {
    /** Seals the own key as it is to be now; nothing is left as before. */
    reseal(): Promise<void>;
  };
  /** Wall clock, in milliseconds. */
  readonly now: () => number;
}

/** An unlock key that counts from the moment that it is sent back. */
export interface OfferedKey {
  readonly unlockKey: string;
  readonly version: number;
}

/**
 * The cluster's keys, and how they lie on the disk: the newest open, or locked
 * under the unlock key.
 *
 * ```text
 *            on, rotate                          everything sealed anew
 * file: n ───────────────► n+1, locked; n under it ───────────────► n+1
 *                          └───── a crash: the next start goes on ──┘
 * ```
 *
 * The file is written first and is the one point at which another unlock key
 * begins to count; it opens everything then, sealed anew or not yet.
 */
export class ClusterKeys {
  readonly #parts: ClusterKeyParts;
  readonly #ring: Map<number, Bytes>;
  #unlockKey: UnlockKey | undefined;
  /** Whether the file may hold an older key, or not be as it is to be. */
  #fileIsStale: boolean;
  #unfinished: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param opened what lies in the file */
  constructor(
    parts: ClusterKeyParts,
    opened: { readonly ring: KeyRing; readonly unlockKey?: UnlockKey },
  ) {
    this.#parts = parts;
    this.#ring = new Map(opened.ring);
    this.#unlockKey = opened.unlockKey;
    this.#fileIsStale = this.#ring.size > 1;
  }

  /** By version; changes with the keys. */
  get ring(): KeyRing {
    return this.#ring;
  }

  /** Whether a start wants the unlock key. */
  get locked(): boolean {
    return this.#unlockKey !== undefined;
  }

  get version(): number {
    return newestKey(this.#ring).version;
  }

  /**
   * Why something lies sealed otherwise than it is to be, or a key that nothing
   * needs any more is not destroyed; `undefined` when all is done.
   */
  get unfinished(): string | undefined {
    return this.#unfinished;
  }

  /** The unlock key that counts; nothing without autolock. A secret. */
  async unlockKey(): Promise<OfferedKey | undefined> {
    const key = this.#unlockKey;
    return key && await this.#written(key);
  }

  /**
   * The next unlock key. It is not kept: whoever asks shows it to a person
   * before it counts, so that no crash can lock the cluster with a key that
   * nobody has seen.
   */
  offer(): Promise<OfferedKey> {
    return this.#written(makeUnlockKey(this.#parts.random, this.version + 1));
  }

  /**
   * Locks the cluster with an offered key, under a new cluster key, and seals
   * everything anew.
   *
   * @throws {SwarmdError} `unlock-refused` when it is not the next key;
   * `disk` and others when it was not finished, see `locked`: then
   * {@linkcode ClusterKeys.finish} goes on
   */
  lock(things: SealedThings, offered: string): Promise<void> {
    return this.#inTurn(async () => {
      const next = await parseUnlockKey(this.#parts.crypto, offered);
      await this.#finish(things);
      if (next.version !== this.version + 1) throw this.#notNext(next);
      if (this.#ring.size > 1) throw inUse();
      const key = this.#parts.random.bytes(KEY_BYTES);
      const ring = new Map([[next.version, key], ...this.#ring]);
      await this.#save(ring, next);
      // From here on everything new is sealed under the new key.
      const why = this.#unlockKey ? "unlock key rotated" : "autolock on";
      this.#ring.set(next.version, key);
      this.#unlockKey = next;
      await this.#follow(things, why);
    });
  }

  /** Ends autolock: from now on a start needs no unlock key. */
  unlock(things: SealedThings): Promise<void> {
    return this.#inTurn(async () => {
      await this.#finish(things);
      if (!this.#unlockKey) return;
      await this.#save(this.#ring, undefined);
      this.#unlockKey = undefined;
      await this.#follow(things, "autolock off");
    });
  }

  /**
   * Seals anew what an older key seals, then destroys that key. Nothing happens
   * where there is nothing to do, so that each start does it.
   */
  finish(things: SealedThings): Promise<void> {
    return this.#inTurn(() => this.#finish(things));
  }

  async #finish(things: SealedThings): Promise<void> {
    try {
      this.#unfinished = await this.#sealAnew(things)
        ? undefined
        : "something is still sealed under an older cluster key";
    } catch (error) {
      this.#unfinished = describeError(error);
      throw error;
    }
  }

  /** @returns false while an older key is in use */
  async #sealAnew({ store, identity }: SealedThings): Promise<boolean> {
    for (let i = 0; i < MAX_TURNS; i++) {
      await this.#sealRecordsAnew(store);
      await identity.reseal();
      if (!this.#fileIsStale) return true;
      // They may be gone from memory, and the rest of it have failed.
      if (this.#ring.size > 1 && !await this.#forget(store)) continue;
      await store.erase();
      await this.#save(this.#ring, this.#unlockKey);
      return true;
    }
    return false;
  }

  async #sealRecordsAnew(store: Store): Promise<void> {
    for (let i = 0; i < MAX_BATCHES; i++) {
      const { version } = this;
      const stale = store.view((view) => {
        const cluster = view.get("cluster", CLUSTER);
        return cluster ? staleSecrets(cluster, { version, limit: BATCH }) : [];
      });
      if (stale.length === 0) return;
      const replacements = await this.#sealedAnew(stale);
      await store.update((tx) => {
        const cluster = tx.get("cluster", CLUSTER);
        if (!cluster) return;
        tx.put("cluster", CLUSTER, replaceSealed(cluster, replacements));
      });
    }
    throw new SwarmdError(
      "too-busy",
      "Cannot seal the cluster's secrets anew: others are written all the time",
    );
  }

  async #sealedAnew(
    stale: readonly NamedSecret[],
  ): Promise<Map<string, SealedValue>> {
    const { crypto } = this.#parts;
    const ring = this.#ring;
    const key = newestKey(ring);
    const replacements = new Map<string, SealedValue>();
    for (const { name, value } of stale) {
      const data = await openValue(crypto, { ring, name, value });
      replacements.set(
        value.data,
        await sealValue(crypto, { key, name, data }),
      );
    }
    return replacements;
  }

  /**
   * Drops the older keys from memory, unless one is in use. In a transaction:
   * what is written after it is refused under them, see `sealedStore`.
   */
  async #forget(store: Store): Promise<boolean> {
    const before = [...this.#ring];
    try {
      return await store.update((tx) => {
        const used = versionsIn(tx.get("cluster", CLUSTER));
        const { version } = this;
        if ([...used].some((each) => each !== version)) return false;
        for (const [each] of before) {
          if (each !== version) this.#ring.delete(each);
        }
        return true;
      });
    } catch (error) {
      // What the records say again may be sealed under them.
      for (const [version, key] of before) this.#ring.set(version, key);
      throw error;
    }
  }

  async #save(ring: KeyRing, unlockKey: UnlockKey | undefined): Promise<void> {
    const { crypto, file } = this.#parts;
    const text = await formatClusterKeys(crypto, ring, unlockKey);
    try {
      // A write that failed may have happened all the same.
      this.#fileIsStale = true;
      await file.save(text);
      this.#fileIsStale = ring.size > 1;
    } catch (error) {
      this.#unfinished = describeError(error);
      throw error;
    }
  }

  /** The change counts already: whatever fails now is done later. */
  async #follow(things: SealedThings, what: string): Promise<void> {
    this.#unfinished = "a change of the cluster's keys is not finished";
    const { store, now } = things;
    const why = `${what}, key version ${this.version}`;
    const entry = { action: "key-rotated", by: "operator", why } as const;
    await store.update((tx) => audit(tx, { ...entry, at: now() }));
    await this.#finish(things);
  }

  async #written(key: UnlockKey): Promise<OfferedKey> {
    const unlockKey = await formatUnlockKey(this.#parts.crypto, key);
    return { unlockKey, version: key.version };
  }

  #notNext({ version }: UnlockKey): SwarmdError {
    return new SwarmdError(
      "unlock-refused",
      `Cannot lock with an unlock key of version ${version}: version ${
        this.version + 1
      } comes next`,
      { verdict: "stop", data: { reason: "another" } },
    );
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const next = this.#last.then(action);
    // The caller is told; who comes next finishes what this one left.
    this.#last = next.catch(() => {});
    return next;
  }
}

function inUse(): SwarmdError {
  return new SwarmdError(
    "too-busy",
    "Cannot make another cluster key: the one before is still in use",
    { hint: "Try again; if that does not help, restart the manager" },
  );
}
