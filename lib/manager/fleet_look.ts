import { nodeFacts, type RotationLook } from "../cluster/rotation_progress.ts";
import type { View } from "../cluster/store.ts";
import { mustCluster } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";

/** A look at all nodes, as records and sessions have them at this moment. */
export function lookAtFleet(
  { sessions, clock, nodeId, ownProblem }: Pick<
    RotationParts,
    "sessions" | "clock" | "nodeId" | "ownProblem"
  >,
  view: View,
): RotationLook {
  const { heartbeatMs } = mustCluster(view);
  const failing = ownProblem?.();
  const own = failing === undefined ? {} : { failing };
  const nodes = [...view.list("node")].map((node) =>
    nodeFacts(
      node,
      node.id === nodeId ? own : sessions.liveFacts(node, heartbeatMs),
    )
  );
  return { nodes, now: clock.now() };
}
