import type {
  IdentityStore,
  StagedKey,
  StoredIdentity,
} from "../../lib/pki/identity_store.ts";

/** A node's identity, kept for as long as the process lives. */
export class MemoryIdentity implements IdentityStore {
  #identities: StoredIdentity[] = [];
  #stagedKey: StagedKey | undefined;
  #state: unknown;

  load(): Promise<StoredIdentity | undefined> {
    return Promise.resolve(this.#identities.at(-1));
  }

  save(identity: StoredIdentity): Promise<void> {
    this.#identities.push(identity);
    return Promise.resolve();
  }

  confirm(): Promise<void> {
    this.#identities = this.#identities.slice(-1);
    return Promise.resolve();
  }

  rollBack(): Promise<boolean> {
    if (this.#identities.length < 2) return Promise.resolve(false);
    this.#identities.pop();
    return Promise.resolve(true);
  }

  loadStagedKey(): Promise<StagedKey | undefined> {
    return Promise.resolve(this.#stagedKey);
  }

  saveStagedKey(staged: StagedKey): Promise<void> {
    this.#stagedKey = staged;
    return Promise.resolve();
  }

  dropStagedKey(): Promise<void> {
    this.#stagedKey = undefined;
    return Promise.resolve();
  }

  loadState(): Promise<unknown> {
    return Promise.resolve(this.#state);
  }

  saveState(state: unknown): Promise<void> {
    this.#state = structuredClone(state);
    return Promise.resolve();
  }
}
