import { SwarmdError } from "../base/errors.ts";
import type { NodeRecord } from "../cluster/node.ts";
import type { View } from "../cluster/store.ts";

/**
 * A node by its id, or by a beginning of it that no other node has.
 *
 * @throws {SwarmdError} `not-found`, `removed` for one that was removed
 */
export function findNode(view: View, prefix: string): NodeRecord {
  const exact = view.get("node", prefix);
  if (exact) return exact;
  const found: NodeRecord[] = [];
  for (const node of view.list("node")) {
    if (node.id.startsWith(prefix)) found.push(node);
  }
  const [node] = found;
  if (node && found.length === 1) return node;
  throw new SwarmdError(
    "not-found",
    `Cannot find node "${prefix}": ${found.length} nodes begin with that, want 1`,
    { hint: "See their ids with `swarmd node ls`" },
  );
}
