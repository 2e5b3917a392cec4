import type { ErrorCode } from "../base/errors.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint, parseEndpoint } from "../rpc/endpoint.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { Membership, WorkerState } from "./state.ts";

/** Most addresses that a manager's list may have. */
const MAX_MANAGERS = 64;
/** Refusals after which only another join with a token helps. */
const LASTING: ReadonlySet<ErrorCode> = new Set([
  "unknown-node",
  "removed",
  "conflict",
  "replaced",
]);

/** A worker's place in its cluster, remembered as it changes. */
export class MembershipBook {
  readonly #state: WorkerState;
  readonly #nodeId: string;
  #membership: Membership;

  constructor(
    state: WorkerState,
    at: { readonly nodeId: string; readonly membership: Membership },
  ) {
    this.#state = state;
    this.#nodeId = at.nodeId;
    this.#membership = at.membership;
  }

  get membership(): Membership {
    return this.#membership;
  }

  /**
   * Where to dial, best first: where it was connected last, then what the
   * operator said, then what a manager said. An advertised address that does
   * not lead here costs a time-out at every reconnect if it goes first.
   */
  get endpoints(): Endpoint[] {
    const { last, seeds, managers } = this.#membership;
    const all = [...last === undefined ? [] : [last], ...seeds, ...managers];
    return [...new Set(all)].flatMap((text) => parseEndpoint(text) ?? []);
  }

  /** The managers' list, from a manager that was verified, replaces the one before. */
  async learned(addresses: readonly string[]): Promise<void> {
    const managers = addresses.filter((text) => parseEndpoint(text));
    if (managers.length === 0) return;
    await this.#change({ managers: managers.slice(0, MAX_MANAGERS) });
  }

  async connected(endpoint: Endpoint): Promise<void> {
    const { refused: _, ...rest } = this.#membership;
    this.#membership = rest;
    await this.#change({ last: formatEndpoint(endpoint) });
  }

  /** A verified manager refused the identity in a way that does not pass. */
  async refused(code: ErrorCode): Promise<void> {
    if (LASTING.has(code)) await this.#change({ refused: code });
  }

  async renewed({ issuedAt }: HeldIdentity, renewAt: number): Promise<void> {
    await this.#change({ issuedAt, renewAt });
  }

  /** After a bundle was saved: what was offered once is not adopted again. */
  async adopted(generation: number): Promise<void> {
    await this.#change({ generation });
  }

  /** In memory at once; on disk with the next write, or now. */
  async keeps(
    auditHeads: readonly SignedHead[],
    { durably }: { readonly durably: boolean },
  ): Promise<void> {
    this.#membership = { ...this.#membership, auditHeads: [...auditHeads] };
    if (durably) await this.write();
  }

  /** What is not on disk yet. */
  async write(): Promise<void> {
    await this.#change({});
  }

  async #change(change: Partial<Membership>): Promise<void> {
    this.#membership = { ...this.#membership, ...change };
    await this.#state.remember(this.#nodeId, this.#membership);
  }
}
