import type { NodeSummary } from "../cluster/local_nodes.ts";
import { localClient } from "./client.ts";
import type { OperatorOptions } from "./options.ts";

/** A change of one node. */
export type NodeChange = "suspend" | "resume" | "promote" | "demote";

const DONE: Readonly<Record<NodeChange, string>> = {
  suspend: "suspended",
  resume: "active",
  promote: "a manager; its next certificate says so",
  demote: "a worker, from now on",
};

/** `node rm` */
export async function nodeRm(
  { force, id: given, ...options }: OperatorOptions & {
    readonly id: string;
    readonly force: boolean;
  },
): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const body = { id: given, force };
  const { id } = await client.post<Changed>("/v1/nodes/remove", body);
  return await tell(options, { id }, `${id} is removed`);
}

/** `node suspend`, `resume`, `promote` and `demote` */
export async function changeNode(
  { change, id: given, ...options }: OperatorOptions & {
    readonly id: string;
    readonly change: NodeChange;
  },
): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const changed = await client
    .post<Changed>(`/v1/nodes/${change}`, { id: given });
  return await tell(options, changed, `${changed.id} is ${DONE[change]}`);
}

/** `node renew` */
export async function nodeRenew(
  { ids, all, ...options }: OperatorOptions & {
    readonly ids: readonly string[];
    readonly all: boolean;
  },
): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const { asked, absent, refused = [] } = await client
    .post<Renewed>("/v1/nodes/renew", { ids, all });
  const lines = [
    ...asked.map((id) => `${id} renews`),
    ...absent.map((id) => `${id} is not connected: it renews by itself`),
    ...refused.map(({ id, why }) => `${id} does not renew: ${why}`),
  ];
  if (lines.length === 0) lines.push("There is no node but this manager");
  return await tell(options, { asked, absent, refused }, ...lines);
}

/** `leave` */
export async function leave(options: OperatorOptions): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const { id } = await client.post<Changed>("/v1/leave", {});
  return await tell(options, { id }, `${id} has left the cluster`);
}

type Changed = Pick<NodeSummary, "id">;

interface Renewed {
  readonly asked: readonly string[];
  readonly absent: readonly string[];
  /** Absent: of a manager of before. */
  readonly refused?: readonly { readonly id: string; readonly why: string }[];
}

async function tell(
  { json, host }: OperatorOptions,
  value: unknown,
  ...lines: readonly string[]
): Promise<number> {
  if (json) await host.output.json(value);
  else await host.output.lines(lines);
  return 0;
}
