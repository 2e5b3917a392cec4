import type { ErrorCode } from "../base/errors.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint, parseEndpoint } from "../rpc/endpoint.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { Membership, VoidManager, WorkerState } from "./state.ts";

/** Most addresses that a manager's list may have. */
const MAX_MANAGERS = 64;
/** Refusals after which only another join with a token helps. */
const LASTING: ReadonlySet<ErrorCode> = new Set([
  "unknown-node",
  "removed",
  "conflict",
  "replaced",
]);

/** A bundle that is about to be saved. */
export interface NextBundle {
  /** Highest generation that was proved for one of its roots; 0 for none. */
  readonly generation: number;
  /** Its digest. */
  readonly bundle: string;
}

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

  /**
   * A manager answered under this bundle: only now its generation counts. To
   * count it when it is saved would lock out whoever goes back afterwards.
   */
  async connected(endpoint: Endpoint, bundle: string): Promise<void> {
    const { refused: _, ...rest } = this.#membership;
    this.#membership = rest.next?.bundle === bundle ? adopted(rest) : rest;
    await this.#change({ last: formatEndpoint(endpoint) });
  }

  /** A verified manager refused the identity in a way that does not pass. */
  async refused(code: ErrorCode): Promise<void> {
    if (LASTING.has(code)) await this.#change({ refused: code });
  }

  /**
   * On disk with the next write, which is when a manager answered under it:
   * should that be lost, a restart renews once more.
   */
  renewed({ issuedAt }: Pick<HeldIdentity, "issuedAt">, renewAt: number): void {
    this.#membership = { ...this.#membership, issuedAt, renewAt };
  }

  /**
   * Before a bundle is saved: the generation that it proves cannot be read from
   * it again after a restart.
   */
  async expects({ generation, bundle }: NextBundle): Promise<void> {
    const { generation: highest = 0 } = this.#membership;
    if (generation <= highest) return;
    await this.#change({ next: { generation, bundle } });
  }

  /** In memory at once; on disk with the next write, or now. */
  async keeps(
    auditHeads: readonly SignedHead[],
    { durably }: { readonly durably: boolean },
  ): Promise<void> {
    this.#membership = { ...this.#membership, auditHeads: [...auditHeads] };
    if (durably) await this.write();
  }

  /** A manager told which managers' certificates are void. */
  async knowsVoid(voidManagers: readonly VoidManager[]): Promise<void> {
    await this.#change({ voidManagers: [...voidManagers] });
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

/** The generation only grows. */
function adopted({ next, generation = 0, ...rest }: Membership): Membership {
  return { ...rest, generation: Math.max(generation, next?.generation ?? 0) };
}
