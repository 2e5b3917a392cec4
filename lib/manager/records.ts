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
