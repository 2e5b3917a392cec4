import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, sleep } from "../base/time.ts";
import { refuseOwn } from "../cluster/own_node.ts";
import { checkRemoval, removeNode } from "../cluster/removal.ts";
import { changeStanding, type StandingChange } from "../cluster/standing.ts";
import type { Store, View } from "../cluster/store.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import { findNode } from "./find_node.ts";
import type { Sessions } from "./sessions.ts";

/** What the operator's changes of nodes work with. */
export interface NodeActionParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly sessions: Sessions;
  /** Id of this manager's node. */
  readonly nodeId: string;
  /** Gets this manager another key and certificate. */
  renewSelf(): Promise<void>;
}

/** What came of asking nodes to renew, by their ids. */
interface Renewed {
  readonly asked: string[];
  readonly absent: string[];
  readonly refused: { readonly id: string; readonly why: string }[];
}

/** Why a node is not asked to renew. */
const REFUSED: Readonly<Record<string, string>> = {
  suspended: "it is suspended",
  conflict: "two machines use its identity",
  removed: "it was removed a moment ago",
};

const OPERATOR = "operator";
const aNode = z.object({ id: z.string() });
const removal = z.object({ id: z.string(), force: z.boolean() });
const someNodes = z.object({ ids: z.array(z.string()), all: z.boolean() });
/** Nodes that are asked to renew at once, and the pause until the next, in ms. */
const RENEW_BATCH = 16;
const RENEW_PAUSE = 100;
/** Nodes that one message names. */
const MAX_NAMED = 10;

/** What an operator may do to nodes. */
export function nodeActions(parts: NodeActionParts): Actions {
  const standing = (change: StandingChange) => (body: unknown) =>
    changeNode(parts, { id: readBody(aNode, body).id, change });
  return {
    "/v1/nodes/remove": (body) => remove(parts, readBody(removal, body)),
    "/v1/nodes/suspend": standing("suspend"),
    "/v1/nodes/resume": standing("resume"),
    "/v1/nodes/promote": standing("manager"),
    "/v1/nodes/demote": standing("worker"),
    "/v1/nodes/renew": (body) => renew(parts, readBody(someNodes, body)),
  };
}

async function remove(
  { store, clock, sessions }: NodeActionParts,
  { id, force }: z.infer<typeof removal>,
) {
  const { id: nodeId } = store.view((view) => findNode(view, id));
  const now = clock.now();
  await store.update((tx) => {
    const node = tx.get("node", nodeId);
    if (!node) return;
    const isReady = sessions.liveness(nodeId) === "ready";
    refuseOwn(tx, { nodeId, attempt: "remove" }); // --force does not help it
    checkRemoval(node, { isReady, force });
    const why = "an operator removed it";
    removeNode(tx, { nodeId, by: OPERATOR, why, now });
  });
  return { id: nodeId };
}

async function changeNode(
  { store, clock, sessions }: NodeActionParts,
  { id, change }: { readonly id: string; readonly change: StandingChange },
) {
  const { id: nodeId } = store.view((view) => findNode(view, id));
  const { role, admission } = await store.update((tx) =>
    changeStanding(tx, { nodeId, change, now: clock.now(), by: OPERATOR })
  );
  // The certificate follows; what it may do counts already.
  if (change === "manager" || change === "worker") {
    const reason = `it is a ${role} now`;
    sessions.push(nodeId, "node.renew-now", { reason, changed: true });
  }
  return { id: nodeId, role, admission };
}

/** In batches: a fleet that renews at the same moment helps nobody. */
async function renew(
  parts: NodeActionParts,
  { ids, all }: z.infer<typeof someNodes>,
): Promise<Renewed> {
  const { store, clock, nodeId: own } = parts;
  const nodes = store.view((view) =>
    all ? others(view, own) : ids.map((id) => findNode(view, id).id)
  );
  if (nodes.length === 0 && !all) {
    throw new SwarmdError("usage", "Cannot renew: no node is named");
  }
  const done: Renewed = { asked: [], absent: [], refused: [] };
  for (const nodeId of nodes) {
    const before = done.asked.length;
    await renewOne(parts, nodeId, done);
    const { length } = done.asked;
    if (length > before && length % RENEW_BATCH === 0) {
      await sleep(clock, RENEW_PAUSE, new AbortController().signal);
    }
  }
  if (nodes.length > 0 && done.asked.length === 0) throw noneAsked(done);
  return done;
}

/** Also those that are away: who asks for all wants to know whom it misses. */
function others(view: View, own: string): string[] {
  return [...view.list("node")].map(({ id }) => id).filter((id) => id !== own);
}

/** Only who hears it counts as asked: a queued wish may wait for minutes. */
async function renewOne(
  { store, sessions, nodeId: own, renewSelf }: NodeActionParts,
  nodeId: string,
  { asked, absent, refused }: Renewed,
): Promise<void> {
  const node = store.view((view) => view.get("node", nodeId));
  const why = REFUSED[node?.admission ?? "removed"];
  if (why !== undefined) refused.push({ id: nodeId, why });
  else if (nodeId === own) {
    await renewSelf(); // it has no session with itself
    asked.push(nodeId);
  } else if (sessions.of(nodeId)?.connection) {
    await wantRenewal(store, nodeId);
    const reason = "an operator asks";
    sessions.push(nodeId, "node.renew-now", { reason });
    asked.push(nodeId);
  } else absent.push(nodeId);
}

function noneAsked({ absent, refused }: Renewed): SwarmdError {
  const whys = [
    ...refused.map(({ id, why }) => `node ${id}: ${why}`),
    ...absent.map((id) => `node ${id}: it is not connected`),
  ];
  const more = whys.length - MAX_NAMED;
  const named = whys.slice(0, MAX_NAMED).join("; ");
  const rest = more > 0 ? `; and ${more} more` : "";
  const text = `Cannot renew: nobody could be asked; ${named}${rest}`;
  return new SwarmdError("precondition", text, {
    verdict: "stop",
    hint: "Who is not connected renews by itself; see `swarmd node ls`",
    data: { absent, refused },
  });
}

/** The limit is for nodes that ask by themselves, and not for an operator. */
async function wantRenewal(store: Store, nodeId: string): Promise<void> {
  await store.update((tx) => {
    const node = tx.get("node", nodeId);
    if (!node || node.renewalWanted) return;
    tx.put("node", nodeId, { ...node, renewalWanted: true });
  });
}
