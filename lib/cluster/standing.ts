import { SwarmdError } from "../base/errors.ts";
import type { Role } from "../pki/profile.ts";
import { audit, type AuditRecord } from "./audit.ts";
import type { NodeRecord } from "./node.ts";
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
  const after = changed(node, { change, managers: managersOf(tx) });
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

function changed(
  node: NodeRecord,
  { change, managers }: {
    readonly change: StandingChange;
    readonly managers: number;
  },
): NodeRecord {
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
      if (role === change) return node;
      if (change === "worker" && managers < 2) {
        throw refused(`demote node ${id}`, "it is the only manager");
      }
      return { ...node, role: change };
  }
}

/** An operator has said what it is: a conflict is over. */
function settled(
  { conflict: _, ...node }: NodeRecord,
  admission: "active" | "suspended",
): NodeRecord {
  return { ...node, admission };
}

function managersOf(tx: Transaction): number {
  let count = 0;
  for (const { role } of tx.list("node")) if (role === "manager") count++;
  return count;
}

function refused(attempt: string, why: string): SwarmdError {
  return new SwarmdError("precondition", `Cannot ${attempt}: ${why}`, {
    verdict: "stop",
  });
}
