import { SwarmdError } from "../../lib/base/errors.ts";
import type {
  IdentityStore,
  StagedKey,
  StoredIdentity,
} from "../../lib/pki/identity_store.ts";

/** All that lies on a disk. Its values are never changed in place. */
interface Content {
  /** The one in use last. */
  readonly identities: readonly StoredIdentity[];
  readonly staged: StagedKey | undefined;
  readonly state: unknown;
}

/** What a disk looked like once. */
export type DiskImage = { readonly content: Content };

const EMPTY: Content = { identities: [], staged: undefined, state: undefined };

/** What happens around a write: it may take time, fail, or never return. */
export interface DiskEvents {
  /** Resolves when the write is to happen. @throws what the write fails with */
  before(what: string): Promise<void>;
  /** The write has happened. It may still fail, or never return. */
  after(what: string): Promise<void>;
}

/** A machine's disk: it outlives processes, and is copied and set back. */
export class SimDisk {
  #content = EMPTY;

  /** The identity in use. */
  get identity(): StoredIdentity | undefined {
    return this.#content.identities.at(-1);
  }

  get image(): DiskImage {
    return { content: this.#content };
  }

  restore(image: DiskImage): void {
    this.#content = image.content;
  }

  wipe(): void {
    this.#content = EMPTY;
  }

  /** The disk as one process uses it. */
  open(events: DiskEvents): IdentityStore {
    const write = async (what: string, change: () => Partial<Content>) => {
      await events.before(what);
      this.#content = { ...this.#content, ...change() };
      await events.after(what);
    };
    return {
      load: () => Promise.resolve(this.identity),
      save: (identity) => write("save", () => this.#saved(identity)),
      confirm: () => write("confirm", () => this.#confirmed()),
      rollBack: () => this.#rollBack(write),
      loadStagedKey: () => Promise.resolve(this.#content.staged),
      saveStagedKey: (staged) => write("stage", () => ({ staged })),
      dropStagedKey: () => write("unstage", () => ({ staged: undefined })),
      loadState: () => Promise.resolve(this.#content.state),
      saveState: (state) => write("state", () => ({ state })),
    };
  }

  #saved(identity: StoredIdentity): Partial<Content> {
    return { identities: [...this.#content.identities, identity] };
  }

  #confirmed(): Partial<Content> {
    return { identities: this.#content.identities.slice(-1) };
  }

  async #rollBack(
    write: (what: string, change: () => Partial<Content>) => Promise<void>,
  ): Promise<boolean> {
    const before = this.#content.identities.length > 1;
    if (!before) return false;
    await write("roll back", () => ({
      identities: this.#content.identities.slice(0, -1),
    }));
    return true;
  }
}

/** What a full disk answers. */
export function diskFull(): SwarmdError {
  return new SwarmdError("disk", "Cannot write: the simulated disk is full");
}
