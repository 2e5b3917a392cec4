import type { DeniedRecord } from "./denied.ts";
import type { Superseded } from "./node.ts";
import type { Transaction } from "./store.ts";

/** Puts a certificate on the denylist until its own end. */
export function deny(
  transaction: Transaction,
  entry: Superseded & Pick<DeniedRecord, "nodeId" | "reason">,
): void {
  const { issuerKeyId, serial, nodeId, reason, notAfter: until } = entry;
  const record = { issuerKeyId, serial, nodeId, reason, until };
  transaction.put("denied", `${issuerKeyId}.${serial}`, record);
}

/** Removes the entries of certificates that have ended by themselves. */
export function compactDenylist(transaction: Transaction, now: number): number {
  const ended = [...transaction.list("denied")].filter((e) => e.until <= now);
  for (const { issuerKeyId, serial } of ended) {
    transaction.remove("denied", `${issuerKeyId}.${serial}`);
  }
  return ended.length;
}
