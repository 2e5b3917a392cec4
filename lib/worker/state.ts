import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import type { IdentityStore } from "../pki/identity_store.ts";
import { auditHead } from "../rpc/schemas.ts";

const voidManager = z.object({
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: z.string(),
  /** Its own end, in milliseconds. */
  until: z.number(),
  /** It is void if it is valid from then on or earlier, in milliseconds. */
  newest: z.number(),
});

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
  /** What is adopted once a manager answered under the bundle of this digest. */
  next: z.optional(z.object({ generation: z.number(), bundle: z.string() })),
  /** Of each manager's audit log, the newest that it was told. */
  auditHeads: z.optional(z.array(auditHead)),
  /** Managers' certificates that stand for no manager any more. */
  voidManagers: z.optional(z.array(voidManager)),
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

/** A manager's certificate that a manager called void. */
export type VoidManager = z.infer<typeof voidManager>;

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
  #last: Promise<unknown> = Promise.resolve();

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
        hint:
          "Restore it from a backup; or, if this is no manager's directory, move it away and join again, as a new node",
      },
    );
  }

  of(nodeId: string): Membership | undefined {
    return this.#nodes[nodeId];
  }

  /** Of every membership: a certificate is void whoever was told so. */
  get voidManagers(): VoidManager[] {
    return Object.values(this.#nodes).flatMap((each) =>
      each.voidManagers ?? []
    );
  }

  /**
   * Remembers, durably; memories without change cost nothing. One after the
   * other: whether something changes can be told only of what was written.
   */
  remember(nodeId: string, membership: Membership): Promise<void> {
    const next = this.#last.then(() => this.#remember(nodeId, membership));
    // Its caller is told of a failure; the next call is not held up by it.
    this.#last = next.catch(() => {});
    return next;
  }

  async #remember(nodeId: string, membership: Membership): Promise<void> {
    const before = JSON.stringify(this.#nodes[nodeId]);
    if (before === JSON.stringify(membership)) return;
    const { [nodeId]: _, ...others } = this.#nodes;
    const kept = Object.entries(others).slice(-MAX_KEPT);
    const nodes = { ...Object.fromEntries(kept), [nodeId]: membership };
    await this.#store.saveState({ version: 1, nodes });
    this.#nodes = nodes;
  }
}
