/**
 * A certificate that was issued and is not accepted any more. The node records
 * are the whitelist that admission reads; this list is for those who cannot
 * read the store.
 */
export interface DeniedRecord {
  readonly issuerKeyId: string;
  readonly serial: string;
  readonly nodeId: string;
  readonly reason: "superseded" | "removed";
  /** The certificate's own end; afterwards the entry says nothing new. */
  readonly until: number;
  /** When it ceased to be accepted, in milliseconds; unknown in old entries. */
  readonly deniedAt?: number;
  /**
   * Of a manager's certificate: its SHA-256, lower-case hex, by which workers
   * refuse it. Unknown in old entries.
   */
  readonly managerLeaf?: string;
}
