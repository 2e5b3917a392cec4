import type { DeniedRecord } from "./denied.ts";
import type { DenylistIndex } from "./denylist_index.ts";
import type { Superseded } from "./node.ts";
import type { Store, Transaction } from "./store.ts";

/**
 * Records that one transaction writes, which blocks for 3 ms, as a full batch of
 * the store's does; others run in between.
 */
export const WRITE_SLICE = 32;

/** Puts a certificate on the denylist until its own end. */
export function deny(
  transaction: Transaction,
  entry: Superseded & Pick<DeniedRecord, "nodeId" | "reason" | "deniedAt">,
): void {
  const { issuerKeyId, serial, nodeId, reason, deniedAt } = entry;
  const { role, fingerprint } = entry;
  const isManagers = role === "manager" && fingerprint !== undefined;
  const record: DeniedRecord = {
    issuerKeyId,
    serial,
    nodeId,
    reason,
    until: entry.notAfter,
    ...(deniedAt !== undefined && { deniedAt }),
    ...(isManagers && { managerLeaf: fingerprint }),
  };
  transaction.put("denied", deniedId(record), record);
}

/** Under which id a certificate is on the denylist. */
export function deniedId(
  { issuerKeyId, serial }: Pick<DeniedRecord, "issuerKeyId" | "serial">,
): string {
  return `${issuerKeyId}.${serial}`;
}

/**
 * Removes the entries of certificates that ended by themselves, as soon as
 * the {@linkcode END_STEP} in which they did is over.
 *
 * @returns how many
 */
export async function compactDenylist(
  store: Store,
  { index, now }: { readonly index: DenylistIndex; readonly now: number },
): Promise<number> {
  let removed = 0;
  let slice: DeniedRecord[] = [];
  const forget = async () => {
    const gone = slice;
    slice = [];
    removed += gone.length;
    await store.update((tx) => {
      for (const each of gone) tx.remove("denied", deniedId(each));
    });
  };
  for (const record of index.ended(now)) {
    slice.push(record);
    if (slice.length === WRITE_SLICE) await forget();
  }
  if (slice.length > 0) await forget();
  return removed;
}
