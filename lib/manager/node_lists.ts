import type { NodeStatus } from "../cluster/local_nodes.ts";
import type { Store } from "../cluster/store.ts";
import { JsonText } from "../rpc/local_answer.ts";
import { nodeSlices } from "./node_slices.ts";
import { type NodeLook, nodeSummary, statusOf } from "./node_summaries.ts";

/** Nodes that are written in one turn: 1 to 2 ms. */
const WRITTEN = 256;
/** Nodes that are counted in one turn. */
const COUNTED = 2_048;

/** All nodes, as `node ls` has them: each as it is when its turn comes. */
export async function listNodes(
  store: Store,
  look: NodeLook,
): Promise<JsonText> {
  const parts: string[] = [];
  for await (const slice of nodeSlices({ ...look, store }, WRITTEN)) {
    const summaries = slice.map((node) => nodeSummary(node, look));
    parts.push(JSON.stringify(summaries).slice(1, -1));
  }
  return new JsonText(`[${parts.join()}]`);
}

/** How many nodes are in each state. */
export async function countNodes(
  store: Store,
  look: NodeLook,
): Promise<Partial<Record<NodeStatus, number>>> {
  const counts: Partial<Record<NodeStatus, number>> = {};
  for await (const slice of nodeSlices({ ...look, store }, COUNTED)) {
    for (const node of slice) {
      const status = statusOf(node, look);
      counts[status] = (counts[status] ?? 0) + 1;
    }
  }
  return counts;
}
