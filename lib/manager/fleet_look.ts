import type { ClusterRecord } from "../cluster/cluster.ts";
import type { NodeRecord } from "../cluster/node.ts";
import {
  type NodeFacts,
  nodeFacts,
  type RotationLook,
} from "../cluster/rotation_progress.ts";
import type { View } from "../cluster/store.ts";
import { mustCluster } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";

type FactParts = Pick<RotationParts, "sessions" | "nodeId" | "ownProblem">;
type LookParts = FactParts & Pick<RotationParts, "clock" | "fleet">;

/**
 * A look at all nodes, as records and sessions have them at this moment, for a
 * rotation: those that are done with its phase are only counted.
 */
export function lookAtFleet(parts: LookParts, view: View): RotationLook {
  const cluster = mustCluster(view);
  const { done, others } = parts.fleet.divide(view, cluster);
  const nodes = factsOf(others, { ...parts, cluster });
  return { nodes, done, now: parts.clock.now() };
}

/** The facts of nodes, each of its record and of its session. */
export function factsOf(
  nodes: readonly NodeRecord[],
  { sessions, nodeId, ownProblem, cluster: { heartbeatMs } }: FactParts & {
    readonly cluster: Pick<ClusterRecord, "heartbeatMs">;
  },
): NodeFacts[] {
  const failing = ownProblem?.();
  const own = failing === undefined ? {} : { failing };
  return nodes.map((node) =>
    nodeFacts(
      node,
      node.id === nodeId ? own : sessions.liveFacts(node, heartbeatMs),
    )
  );
}
