import { SwarmdError } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import type { NodeRecord } from "../cluster/node.ts";
import type { RemovedNode } from "../cluster/removed_node.ts";
import type { View } from "../cluster/store.ts";

/**
 * A node by its id, or by a beginning of it that no other node has.
 *
 * @throws {SwarmdError} `not-found`; of one that was removed it says when, by
 * whom and why
 */
export function findNode(view: View, prefix: string): NodeRecord {
  const exact = view.get("node", prefix);
  if (exact) return exact;
  const found = startingWith(view.list("node"), prefix);
  const [node] = found;
  if (node && found.length === 1) return node;
  const removed = startingWith(view.list("removed"), prefix);
  const [gone] = removed;
  if (!node && gone && removed.length === 1) throw wasRemoved(prefix, gone);
  throw new SwarmdError(
    "not-found",
    `Cannot find node "${prefix}": ${found.length} nodes begin with that, want 1`,
    { hint: "See their ids with `swarmd node ls`" },
  );
}

function startingWith<T extends { readonly id: string }>(
  records: Iterable<T>,
  prefix: string,
): T[] {
  return [...records].filter(({ id }) => id.startsWith(prefix));
}

function wasRemoved(
  prefix: string,
  { id, at, by, why }: RemovedNode,
): SwarmdError {
  return new SwarmdError(
    "not-found",
    `Cannot find node "${prefix}": node ${id} was removed by ${by} at ${
      formatTime(at)
    }: ${why}`,
    {
      data: { removed: { id, at: new Date(at).toISOString(), by, why } },
      hint: "Its certificates are in `swarmd denylist ls` until they end",
    },
  );
}
