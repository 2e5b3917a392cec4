import type {
  IdentityStore,
  StagedKey,
  StoredIdentity,
} from "../pki/identity_store.ts";

/**
 * An identity store whose calls may overlap: they are carried out one after
 * the other. A confirmation that comes while the next identity is being saved
 * must not tidy that away. The state has a file and an order of its own: on a
 * slow disk, a key does not wait for what is remembered.
 */
export class SerialIdentity implements IdentityStore {
  readonly #store: IdentityStore;
  readonly #keys = new Queue();
  readonly #state = new Queue();

  constructor(store: IdentityStore) {
    this.#store = store;
  }

  load(): Promise<StoredIdentity | undefined> {
    return this.#keys.next(() => this.#store.load());
  }

  save(identity: StoredIdentity): Promise<void> {
    return this.#keys.next(() => this.#store.save(identity));
  }

  confirm(): Promise<void> {
    return this.#keys.next(() => this.#store.confirm());
  }

  rollBack(): Promise<boolean> {
    return this.#keys.next(() => this.#store.rollBack());
  }

  loadStagedKey(): Promise<StagedKey | undefined> {
    return this.#keys.next(() => this.#store.loadStagedKey());
  }

  saveStagedKey(staged: StagedKey): Promise<void> {
    return this.#keys.next(() => this.#store.saveStagedKey(staged));
  }

  dropStagedKey(): Promise<void> {
    return this.#keys.next(() => this.#store.dropStagedKey());
  }

  loadState(): Promise<unknown> {
    return this.#state.next(() => this.#store.loadState());
  }

  saveState(state: unknown): Promise<void> {
    return this.#state.next(() => this.#store.saveState(state));
  }
}

/** One after the other. */
class Queue {
  #last: Promise<unknown> = Promise.resolve();

  next<T>(call: () => Promise<T>): Promise<T> {
    const next = this.#last.then(call);
    // Its caller is told of a failure; the next call is not held up by it.
    this.#last = next.catch(() => {});
    return next;
  }
}
