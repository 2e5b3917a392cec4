/** An identity as it lies on disk. The three files always belong together. */
export interface StoredIdentity {
  /** Trust bundle, PEM. */
  readonly rootsPem: string;
  /** Leaf, then its intermediates, PEM. */
  readonly certificatePem: string;
  /** PKCS#8, PEM. */
  readonly keyPem: string;
}

/** A key that was made for a request whose answer is not saved yet. */
export interface StagedKey {
  /** PKCS#8, PEM. */
  readonly keyPem: string;
  readonly purpose: "join" | "renew" | "recover";
  /** Wall clock at its making, in milliseconds. */
  readonly createdAt: number;
  /** What the key may be used with; another machine or token makes another. */
  readonly binding: Readonly<Record<string, string>>;
}

/**
 * Where a node keeps its identity. Every write is atomic and durable when its
 * promise resolves: after a kill at any point `load` gives a matching triple,
 * the old or the new one.
 */
export interface IdentityStore {
  /** @returns `undefined` when there never was one */
  load(): Promise<StoredIdentity | undefined>;
  /** Makes an identity the one in use; the one before is kept. */
  save(identity: StoredIdentity): Promise<void>;
  /** The identity in use has proved itself: the one before is deleted. */
  confirm(): Promise<void>;
  /** @returns false when there is none before the one in use */
  rollBack(): Promise<boolean>;
  loadStagedKey(): Promise<StagedKey | undefined>;
  saveStagedKey(staged: StagedKey): Promise<void>;
  dropStagedKey(): Promise<void>;
  /** @returns what was given to `saveState`, to be parsed by the caller */
  loadState(): Promise<unknown>;
  saveState(state: unknown): Promise<void>;
}
