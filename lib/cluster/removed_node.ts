/** A node that was removed: whoever comes with its identity is told so. */
export interface RemovedNode {
  readonly id: string;
  readonly at: number;
  readonly by: string;
  readonly why: string;
  /** Its keys, by SPKI hash, which nobody may join with. */
  readonly spkis: readonly string[];
  /** When it may be forgotten, in milliseconds. */
  readonly until: number;
}
