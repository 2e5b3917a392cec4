import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import type { IdentityStore } from "../pki/identity_store.ts";
import { auditHead } from "../rpc/schemas.ts";

const membershipSchema = z.object({
  cluster: z.string(),
  /** Digest of the root that the token pinned. */
  rootDigest: z.string(),
  tokenId: z.string(),
  /** Hash of the machine that the identity was made on. */
  binding: z.string(),
  /** Addresses that the operator gave. */
  seeds: z.array(z.string()),
  /** Addresses that a manager gave. */
  managers: z.array(z.string()),
  /** Highest generation of a root that was ever adopted. */
  generation: z.optional(z.number()),
  /** Of each manager's audit log, the newest that it was told. */
  auditHeads: z.optional(z.array(auditHead)),
  /** Where it was connected last. */
  last: z.optional(z.string()),
  /** Why a verified manager refused the identity for good. */
  refused: z.optional(z.string()),
  /** By this machine's clock, in milliseconds, for the newest certificate. */
  issuedAt: z.number(),
  renewAt: z.number(),
});

const stateSchema = z.object({
  version: z.literal(1),
  /** By node id. The certificate on disk says which one counts. */
  nodes: z.record(z.string(), membershipSchema),
});

/** What a worker remembers of its place in a cluster. */
export type Membership = z.infer<typeof membershipSchema>;

/** Old memberships kept beside the newest one. */
const MAX_KEPT = 3;

/**
 * The worker's memory. It is keyed by node id and written before an identity
 * is saved, so that a kill between the two writes harms neither the old
 * identity nor the new one.
 */
export class WorkerState {
  readonly #store: IdentityStore;
  #nodes: Readonly<Record<string, Membership>>;

  constructor(store: IdentityStore, nodes: Record<string, Membership>) {
    this.#store = store;
    this.#nodes = nodes;
  }

  /** @throws {SwarmdError} `damaged-state` when it is not of this form */
  static async load(store: IdentityStore): Promise<WorkerState> {
    const raw = await store.loadState();
    if (raw === undefined) return new WorkerState(store, {});
    const parsed = z.safeParse(stateSchema, raw);
    if (parsed.success) return new WorkerState(store, parsed.data.nodes);
    throw new SwarmdError(
      "damaged-state",
      "Cannot read state.json: it is not of the form that this version writes",
      {
        verdict: "stop",
        hint: "Restore it from a backup, or delete it and join again",
      },
    );
  }

  of(nodeId: string): Membership | undefined {
    return this.#nodes[nodeId];
  }

  /** Remembers, durably; memories without change cost nothing. */
  async remember(nodeId: string, membership: Membership): Promise<void> {
    const before = JSON.stringify(this.#nodes[nodeId]);
    if (before === JSON.stringify(membership)) return;
    const { [nodeId]: _, ...others } = this.#nodes;
    const kept = Object.entries(others).slice(-MAX_KEPT);
    const nodes = { ...Object.fromEntries(kept), [nodeId]: membership };
    await this.#store.saveState({ version: 1, nodes });
    this.#nodes = nodes;
  }
}
