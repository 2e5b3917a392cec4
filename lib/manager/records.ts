import { SwarmdError } from "../base/errors.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import type { NodeRecord } from "../cluster/node.ts";
import { CLUSTER, type View } from "../cluster/store.ts";

/** The one cluster record. @throws {SwarmdError} `not-initialised` */
export function mustCluster(view: View): ClusterRecord {
  const cluster = view.get("cluster", CLUSTER);
  if (cluster) return cluster;
  throw new SwarmdError("not-initialised", "The store holds no cluster");
}

/** A node's record. @throws {SwarmdError} `unknown-node` */
export function mustNode(view: View, id: string): NodeRecord {
  const node = view.get("node", id);
  if (node) return node;
  throw new SwarmdError("unknown-node", `Node ${id} is not in the store`, {
    verdict: "rejoin",
  });
}

/**
 * The record of the node that this manager is. Another manager of the cluster
 * is no substitute: to run as it were to take over another machine's identity.
 *
 * @throws {SwarmdError} `damaged-state`
 */
export function mustOwnNode(view: View): NodeRecord {
  // A store that was migrated may name none.
  const { ownNode = "?" }: Partial<ClusterRecord> = mustCluster(view);
  const node = view.get("node", ownNode);
  if (node?.role === "manager") return node;
  const found = node
    ? "it is a worker in the store"
    : "the store has no such node";
  throw new SwarmdError(
    "damaged-state",
    `Cannot run as node ${ownNode}, this manager's own: ${found}, want a manager`,
    {
      verdict: "stop",
      hint: "Restore the state directory from a backup",
    },
  );
}
