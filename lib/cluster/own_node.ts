import { SwarmdError } from "../base/errors.ts";
import { CLUSTER, type View } from "./store.ts";

/**
 * Refuses to take from a manager the node that it is: it would go on with what
 * it may not do, and not start again.
 *
 * @throws {SwarmdError} `precondition`
 */
export function refuseOwn(
  view: View,
  { nodeId, attempt }: {
    readonly nodeId: string;
    readonly attempt: "suspend" | "demote" | "remove";
  },
): void {
  if (view.get("cluster", CLUSTER)?.ownNode !== nodeId) return;
  throw new SwarmdError(
    "precondition",
    `Cannot ${attempt} node ${nodeId}: it is the manager that was asked`,
    { verdict: "stop" },
  );
}
