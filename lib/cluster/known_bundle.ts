import type { ClusterRecord } from "./cluster.ts";
import type { NodeRecord } from "./node.ts";

/** What the cluster's record knows of trust bundles. */
type Known = Pick<ClusterRecord, "root" | "rotation">;

/**
 * The record of a node whose `hello` named a trust bundle; the same one when
 * that is nothing new. A digest that is of no root of this cluster says only
 * that the node trusts something else: it is not kept, so that nobody makes a
 * record change with every `hello`.
 */
export function withTrusts(
  node: NodeRecord,
  { cluster, digest }: { readonly cluster: Known; readonly digest: string },
): NodeRecord {
  const trusts = isKnownBundle(cluster, digest) ? digest : undefined;
  if (trusts === node.trusts) return node;
  const { trusts: _, ...rest } = node;
  return trusts === undefined ? rest : { ...rest, trusts };
}

/** Of the present root, of the one that is to come, or of both. */
function isKnownBundle({ root, rotation }: Known, digest: string): boolean {
  return digest === root.facts?.bundle || digest === rotation?.both ||
    digest === rotation?.target.facts.bundle;
}
