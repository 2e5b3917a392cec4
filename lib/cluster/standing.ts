import { SwarmdError } from "../base/errors.ts";
import type { Role } from "../pki/profile.ts";
import { audit, type AuditRecord } from "./audit.ts";
import type { NodeRecord } from "./node.ts";
import { refuseOwn } from "./own_node.ts";
import type { Transaction } from "./store.ts";

/** What an operator may change of a node that stays. */
export type StandingChange = "suspend" | "resume" | "accept" | Role;

/**
 * Changes what a node may do. It counts from the next look at the record, and
 * every open connection of the node is looked at when the record changes.
 *
 * @throws {SwarmdError} `not-found`; `precondition` when it makes no sense
 */
export function changeStanding(
  tx: Transaction,
  { nodeId, change, now, by }: {
    readonly nodeId: string;
    readonly change: StandingChange;
    readonly now: number;
    readonly by: string;
  },
): NodeRecord {
  const node = tx.get("node", nodeId);
  if (!node) throw new SwarmdError("not-found", `No node is called ${nodeId}`);
  if (change === "suspend") refuseOwn(tx, { nodeId, attempt: "suspend" });
  if (change === "worker") refuseOwn(tx, { nodeId, attempt: "demote" });
  const after = changed(node, change);
  if (after === node) return node;
  tx.put("node", nodeId, after);
  const why = WHYS[change];
  audit(tx, { at: now, action: ACTIONS[change], node: nodeId, by, why });
  return after;
}

const ACTIONS: Readonly<Record<StandingChange, AuditRecord["action"]>> = {
  suspend: "suspended",
  resume: "resumed",
  accept: "accepted",
  manager: "role-changed",
  worker: "role-changed",
};

const WHYS: Readonly<Record<StandingChange, string>> = {
  suspend: "it was active",
  resume: "it was suspended",
  accept: "the operator says that it is one machine",
  manager: "worker to manager",
  worker: "manager to worker",
};

function changed(node: NodeRecord, change: StandingChange): NodeRecord {
  const { admission, role, id } = node;
  switch (change) {
    case "suspend":
      if (role === "manager") {
        throw refused(`suspend node ${id}`, "it is a manager: demote it first");
      }
      return admission === "suspended" ? node : settled(node, "suspended");
    case "resume":
      if (admission === "conflict") {
        throw refused(
          `resume node ${id}`,
          "two machines use its identity: `node accept` or `node rm` decides",
        );
      }
      return admission === "active" ? node : settled(node, "active");
    case "accept":
      return admission === "conflict" ? settled(node, "active") : node;
    default:
      return role === change ? node : { ...node, role: change };
  }
}

/** An operator has said what it is: a conflict is over. */
function settled(
  { conflict: _, ...node }: NodeRecord,
  admission: "active" | "suspended",
): NodeRecord {
  return { ...node, admission };
}

function refused(attempt: string, why: string): SwarmdError {
  return new SwarmdError("precondition", `Cannot ${attempt}: ${why}`, {
    verdict: "stop",
  });
}
