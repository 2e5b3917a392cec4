import { type Bytes, toHex } from "../base/bytes.ts";
import { canonicalEntry, GENESIS } from "../cluster/audit_chain.ts";
import type { Change, LogName, Logs } from "../cluster/store.ts";
import { type Committed, isEntry } from "./layers.ts";

/** SHA-256, at once. */
export type Hash = (data: Bytes) => Bytes;

/**
 * Gives each new entry the hash of the one before it. Here, where a group is
 * about to be written, and not where an entry is appended: only now is it
 * certain which entries of the group there are, and in which order. At once,
 * because no other group may come in between: 15 µs an entry, half of it for
 * the hash, where WebCrypto takes 30 µs through its thread pool, one entry
 * after the other, and a batch would wait for each (Deno 2.9.6).
 */
export function linkEntries(
  changes: readonly Change[],
  { committed, hash }: { readonly committed: Committed; readonly hash: Hash },
): readonly Change[] {
  const hashes = new Map<LogName, string>();
  return changes.map((change) => {
    if (!isEntry(change)) return change;
    const { kind } = change;
    const previous = hashes.get(kind) ?? hashOf(committed.newest(kind), hash);
    const entry = Object.freeze({ ...change.entry, previous });
    hashes.set(kind, hashOf(entry, hash));
    return { kind, entry };
  });
}

function hashOf(entry: Logs[LogName] | undefined, hash: Hash): string {
  return entry ? toHex(hash(canonicalEntry(entry))) : GENESIS;
}
