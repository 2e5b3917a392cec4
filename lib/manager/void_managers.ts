import type { Clock } from "../base/time.ts";
import type { Change, RecordChange, Store } from "../cluster/store.ts";
import type { CertificateRecord } from "../cluster/node.ts";
import {
  asVoid,
  boundVoid,
  type VoidCertificate,
  voidIn,
  voidOf,
} from "../cluster/void_managers.ts";
import { deniedId } from "../cluster/denylist.ts";
import type { NodeSession } from "./node_session.ts";

/** Sessions that are told in one turn. */
const TOLD_AT_ONCE = 256;

/** What telling workers works with. */
export interface VoidManagersParts {
  readonly store: Store;
  readonly clock: Clock;
  /** Id of this manager's node. */
  readonly nodeId: string;
  readonly sessions: Iterable<NodeSession>;
  /**
   * Is told when somebody is no manager any more. Workers take this manager's
   * word only of certificates that are older than its own: it needs another.
   */
  readonly tookBack?: () => void;
}

/**
 * Tells every session which managers' certificates are void: workers cannot see
 * the record. The list is kept by the store's watch; to look for it in 50,000
 * denied certificates at each session would block.
 */
export class VoidManagers {
  readonly #parts: VoidManagersParts;
  /** By id of the entry on the denylist. */
  readonly #denied = new Map<string, VoidCertificate>();
  /** By id of a node that was demoted. */
  readonly #demoted = new Map<string, readonly CertificateRecord[]>();
  readonly #unwatch: () => void;

  constructor(parts: VoidManagersParts) {
    this.#parts = parts;
    parts.store.view((view) => {
      for (const after of view.list("denied")) {
        const change = { kind: "denied", id: deniedId(after) } as const;
        this.#apply({ ...change, before: undefined, after });
      }
      for (const after of view.list("node")) {
        const change = { kind: "node", id: after.id } as const;
        this.#apply({ ...change, before: undefined, after });
      }
    });
    this.#unwatch = parts.store.watch((changes) => this.#changed(changes));
  }

  /** Whether somebody was taken back since this manager's own was issued. */
  get isBehind(): boolean {
    const { store, nodeId } = this.#parts;
    return store.view((view) => {
      const { issuedAt = Infinity } =
        view.get("node", nodeId)?.certificates.current ?? {};
      const isNewer = ([id]: readonly [string, unknown]) => {
        const { reason, deniedAt = 0 } = view.get("denied", id) ?? {};
        return reason === "removed" && deniedAt >= issuedAt;
      };
      return [...this.#denied].some(isNewer) ||
        [...this.#demoted.values()].flat().some((each) =>
          each.issuedAt >= issuedAt
        );
    });
  }

  close(): void {
    this.#unwatch();
  }

  /**
   * Tells a session, at each of its connections: a worker believes of older
   * certificates only than the one that this connection was made with, and
   * somebody else may have told it other things meanwhile.
   */
  tell(session: NodeSession, certificates = this.#list()): void {
    const { servedWith } = session.connection ?? {};
    if (servedWith === undefined || certificates.length === 0) return;
    // Nobody is believed of himself; it is asked to move anyway.
    if (certificates.some((each) => each.fingerprint === servedWith)) return;
    session.push("cluster.void-managers", { certificates });
  }

  #changed(changes: readonly Change[]): void {
    let news = false;
    for (const change of changes) news = this.#apply(change) || news;
    if (!news) return;
    this.#tellAll([...this.#parts.sessions]);
    if (changes.some((change) => this.#takesBack(change))) {
      this.#parts.tookBack?.();
    }
  }

  /** Who opens a session meanwhile is told there. */
  #tellAll(sessions: readonly NodeSession[]): void {
    const certificates = this.#list();
    for (const session of sessions.slice(0, TOLD_AT_ONCE)) {
      this.tell(session, certificates);
    }
    const others = sessions.slice(TOLD_AT_ONCE);
    if (others.length === 0) return;
    this.#parts.clock.schedule(0, () => this.#tellAll(others));
  }

  /** Not of what was merely replaced: two managers would have no end of it. */
  #takesBack(change: Change): boolean {
    if (change.kind === "denied") {
      return change.after?.reason === "removed" && !!voidIn(change.after);
    }
    return change.kind === "node" && this.#demoted.has(change.id) &&
      voidOf(change.before).length === 0;
  }

  /**
   * What ends is forgotten here, and by workers by themselves.
   *
   * @returns whether there is something to tell
   */
  #apply(change: Change): boolean {
    if (change.kind === "denied") return this.#deny(change);
    if (change.kind !== "node") return false;
    const { id, after } = change;
    const now = id === this.#parts.nodeId ? [] : voidOf(after);
    const before = textOf(this.#demoted.get(id));
    if (now.length === 0) this.#demoted.delete(id);
    else this.#demoted.set(id, now);
    return now.length > 0 && textOf(now) !== before;
  }

  #deny({ id, after }: RecordChange<"denied">): boolean {
    const now = voidIn(after);
    if (now) this.#denied.set(id, now);
    else this.#denied.delete(id);
    return now !== undefined;
  }

  /** Never one that this manager serves, or served until just now, with. */
  #list(): VoidCertificate[] {
    const { store, clock, nodeId } = this.#parts;
    const own = store.view((view) => view.get("node", nodeId));
    const { current, pending, previous } = own?.certificates ?? {};
    const good = [current, pending, previous].map((each) => each?.fingerprint);
    const all = [
      ...this.#denied.values(),
      ...[...this.#demoted.values()].flat().map(asVoid),
    ];
    const others = all.filter((each) => !good.includes(each.fingerprint));
    return boundVoid(others, clock.now());
  }
}

function textOf(certificates: readonly CertificateRecord[] = []): string {
  return certificates.map(({ fingerprint }) => fingerprint).join();
}
