import { deny } from "./denylist.ts";
import {
  type CertificateRecord,
  type NodeRecord,
  withPending,
} from "./node.ts";
import type { Transaction } from "./store.ts";

/**
 * Records that a certificate was issued to a node. One that it takes the place
 * of was never used, and might be yet: no record would know it, so no removal
 * would reach it, and whoever sees no record (workers, and those who go by the
 * CRL) would believe whoever presents it.
 */
export function recordIssued(
  tx: Transaction,
  { node, issued, now: deniedAt }: {
    readonly node: NodeRecord;
    readonly issued: CertificateRecord;
    readonly now: number;
  },
): void {
  const { id: nodeId, certificates: { pending } } = node;
  if (pending) {
    deny(tx, { ...pending, nodeId, reason: "superseded", deniedAt });
  }
  tx.put("node", nodeId, withPending(node, issued));
}
