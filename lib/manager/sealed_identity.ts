import { type Bytes, concat } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { KeyRing } from "../pki/cluster_key_file.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { IdentityStore, StoredIdentity } from "../pki/identity_store.ts";
import { decodePem, encodePem } from "../pki/pem.ts";
import { newestKey } from "../pki/sealed.ts";

const PLAIN = "PRIVATE KEY";
const SEALED = "SWARMD SEALED PRIVATE KEY";
/** What the key is called when it is sealed. */
const NAME = "node-key";
const VERSION_BYTES = 4;

/** What a manager's files are opened and sealed with. */
export interface SealedIdentityParts {
  readonly identity: IdentityStore;
  readonly crypto: Crypto;
  readonly ring: KeyRing;
  /** Whether the key is to be sealed; asked at each write. */
  readonly locked: () => boolean;
}

/**
 * A manager's own files, its key sealed on the disk while autolock is on. Who
 * uses it sees an ordinary PEM. A sealed key is a PEM block with a label of its
 * own: the version of the cluster key, 4 bytes, then what `Crypto.seal` gives.
 *
 * Unlike with the files themselves, calls may overlap.
 */
export class SealedIdentity implements IdentityStore {
  readonly #parts: SealedIdentityParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: SealedIdentityParts) {
    this.#parts = parts;
  }

  /** @throws {SwarmdError} `damaged-state` when the key does not open */
  load(): Promise<StoredIdentity | undefined> {
    return this.#inTurn(async ({ identity }) => {
      const stored = await identity.load();
      return stored && await this.#opened(stored);
    });
  }

  save(stored: StoredIdentity): Promise<void> {
    return this.#inTurn(async ({ identity }) => {
      await identity.save(await this.#closed(stored));
    });
  }

  /**
   * Writes the key as it is to lie there now, if it does not, and deletes what
   * held it before. May be repeated after a crash at any point.
   */
  reseal(): Promise<void> {
    return this.#inTurn(async ({ identity }) => {
      const stored = await identity.load();
      if (!stored) return;
      if (this.#isStale(stored.keyPem)) {
        await identity.save(await this.#closed(await this.#opened(stored)));
      }
      await identity.confirm();
    });
  }

  confirm(): Promise<void> {
    return this.#inTurn(({ identity }) => identity.confirm());
  }

  rollBack(): Promise<boolean> {
    return this.#inTurn(({ identity }) => identity.rollBack());
  }

  loadStagedKey() {
    return this.#inTurn(({ identity }) => identity.loadStagedKey());
  }

  saveStagedKey(staged: Parameters<IdentityStore["saveStagedKey"]>[0]) {
    return this.#inTurn(({ identity }) => identity.saveStagedKey(staged));
  }

  dropStagedKey() {
    return this.#inTurn(({ identity }) => identity.dropStagedKey());
  }

  loadState() {
    return this.#inTurn(({ identity }) => identity.loadState());
  }

  saveState(state: unknown) {
    return this.#inTurn(({ identity }) => identity.saveState(state));
  }

  #isStale(keyPem: string): boolean {
    const { ring, locked } = this.#parts;
    const wanted = locked() ? newestKey(ring).version : undefined;
    return versionOf(keyPem) !== wanted;
  }

  async #opened(stored: StoredIdentity): Promise<StoredIdentity> {
    const version = versionOf(stored.keyPem);
    if (version === undefined) return stored;
    const key = this.#parts.ring.get(version);
    if (!key) throw notOpened(version);
    const [block = new Uint8Array()] = decodePem(stored.keyPem, SEALED);
    const data = block.slice(VERSION_BYTES);
    const pkcs8 = await this.#parts.crypto.open({ key, name: NAME, data });
    return { ...pemsOf(stored), keyPem: encodePem(PLAIN, pkcs8) };
  }

  async #closed(stored: StoredIdentity): Promise<StoredIdentity> {
    const { crypto, ring, locked } = this.#parts;
    if (!locked()) return stored;
    const { version, key } = newestKey(ring);
    const [data = new Uint8Array()] = decodePem(stored.keyPem, PLAIN);
    const sealed = await crypto.seal({ key, name: NAME, data });
    const block = concat(versionBytes(version), sealed);
    return { ...pemsOf(stored), keyPem: encodePem(SEALED, block) };
  }

  #inTurn<T>(action: (parts: SealedIdentityParts) => Promise<T>): Promise<T> {
    const next = this.#last.then(() => action(this.#parts));
    // The caller is told; who comes next need not know.
    this.#last = next.catch(() => {});
    return next;
  }
}

/** The version of the key that seals a key; nothing for one that lies open. */
function versionOf(keyPem: string): number | undefined {
  if (!keyPem.includes(SEALED)) return undefined;
  try {
    const [block] = decodePem(keyPem, SEALED);
    const bytes = block?.slice(0, VERSION_BYTES) ?? new Uint8Array();
    return new DataView(bytes.buffer).getUint32(0);
  } catch (cause) {
    const malformed = cause instanceof SyntaxError ||
      cause instanceof RangeError;
    if (!malformed) throw cause;
    throw new SwarmdError(
      "damaged-state",
      "Cannot open the own key: it is not a sealed key",
      { verdict: "stop", cause },
    );
  }
}

function versionBytes(version: number): Bytes {
  const bytes = new Uint8Array(VERSION_BYTES);
  new DataView(bytes.buffer).setUint32(0, version);
  return bytes;
}

/** Without what the files add, such as where they lie. */
function pemsOf(stored: StoredIdentity): StoredIdentity {
  const { rootsPem, certificatePem, keyPem } = stored;
  return { rootsPem, certificatePem, keyPem };
}

function notOpened(version: number): SwarmdError {
  return new SwarmdError(
    "damaged-state",
    `Cannot open the own key: cluster key ${version} is wanted, and not in the key ring`,
    { verdict: "stop", data: { keyVersion: version } },
  );
}
