/** A trust decision. Never carries a secret. */
export interface AuditRecord {
  /** Counts from 1 without gaps. */
  readonly sequence: number;
  /**
   * Hash of the entry before, see audit_chain.ts; the store sets it. Absent in
   * entries of a store that was made before there was a chain.
   */
  readonly previous?: string;
  /** Wall clock of the manager, in milliseconds. */
  readonly at: number;
  readonly action:
    | "cluster-made"
    | "issued"
    | "promoted"
    | "removed"
    | "conflict"
    | "suspended"
    | "resumed"
    | "accepted"
    | "rejected"
    | "waiting"
    | "recovered"
    | "refused"
    | "role-changed"
    | "token-made"
    | "token-revoked"
    | "token-rotated"
    | "cluster-changed"
    | "rotation"
    | "unlocked"
    | "key-rotated"
    | "clock-accepted";
  /** Node that it is about. */
  readonly node?: string;
  /** Who asked: a node id, `operator`, `manager`, or an address. */
  readonly by: string;
  readonly serial?: string;
  readonly fingerprint?: string;
  /** Why, as a code or a short sentence. */
  readonly why?: string;
}

/** An entry as it is handed to the store, which gives it its place. */
export type AuditEntry = Omit<AuditRecord, "sequence" | "previous">;

/** What takes entries: a transaction of the store. */
export interface AuditTarget {
  append(log: "audit", entry: AuditEntry): number;
}

/** Appends an entry, in the transaction of the decision that it records. */
export function audit(transaction: AuditTarget, entry: AuditEntry): void {
  transaction.append("audit", entry);
}
