import { SwarmdError } from "../base/errors.ts";
import { CLUSTER, type Store, type Transaction } from "../cluster/store.ts";
import type { KeyRing } from "../pki/cluster_key_file.ts";
import { versionsIn } from "./sealed_values.ts";

/**
 * A store that takes no secret sealed under a key that is gone. Sealing comes
 * before the transaction that writes, and the cluster key may be replaced in
 * between: without this, nobody could ever open such a secret again.
 */
export function sealedStore(store: Store, ring: KeyRing): Store {
  return {
    get fault() {
      return store.fault;
    },
    view: (read) => store.view(read),
    update: (change) =>
      store.update((tx) => {
        const before = tx.get("cluster", CLUSTER);
        const result = change(tx);
        const after = tx.get("cluster", CLUSTER);
        if (after !== before) refuseForgotten(after, ring);
        return result;
      }),
    entries: (log, page) => store.entries(log, page),
    watch: (listener) => store.watch(listener),
    erase: () => store.erase(),
    close: () => store.close(),
  };
}

function refuseForgotten(
  cluster: ReturnType<Transaction["get"]>,
  ring: KeyRing,
): void {
  const gone = [...versionsIn(cluster)].find((version) => !ring.has(version));
  if (gone === undefined) return;
  throw new SwarmdError(
    "too-busy",
    `Cannot store a secret sealed under cluster key ${gone}: that key was replaced meanwhile`,
    { hint: "Try again", data: { keyVersion: gone } },
  );
}
