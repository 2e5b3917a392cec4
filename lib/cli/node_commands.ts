import { SwarmdError } from "../base/errors.ts";
import { formatDuration } from "../base/time.ts";
import type { NodeDetail, NodeSummary } from "../cluster/local_nodes.ts";
import { localClient } from "./client.ts";
import { relativeTime } from "./describe.ts";
import { nodeFacts } from "./node_facts.ts";
import type { OperatorOptions } from "./options.ts";
import { formatTable } from "./output.ts";

/** Skews below this are not worth a column, in milliseconds. */
const SHOWN_SKEW_MS = 1_000;
/** Characters of a problem that the table shows. */
const SHOWN_PROBLEM = 60;
const ID_PREFIX_REGEXP = /^[0-9a-z]{1,25}$/;

/** `node ls` */
export async function nodeLs(options: OperatorOptions): Promise<number> {
  const { host, stateDir } = options;
  const nodes = await localClient(stateDir, host).get<NodeSummary[]>(
    "/v1/nodes",
  );
  if (options.json) await host.output.json(nodes);
  else await host.output.lines(nodeTable(nodes, host.now()));
  return 0;
}

/** `node inspect` */
export async function nodeInspect(
  id: string,
  options: OperatorOptions,
): Promise<number> {
  if (!ID_PREFIX_REGEXP.test(id)) {
    throw new SwarmdError(
      "usage",
      `Cannot look up node "${id}": want its id, or the beginning of it, of digits and lower-case letters`,
      { verdict: "stop", hint: "`swarmd node ls` shows the ids" },
    );
  }
  const { host, stateDir } = options;
  const node = await localClient(stateDir, host).get<NodeDetail>(
    `/v1/nodes/${id}`,
  );
  if (options.json) await host.output.json(node);
  else await host.output.lines(nodeFacts(node, host.now()));
  return 0;
}

/** A column of the table; the last ones are there only when they say something. */
interface Column {
  readonly heading: string;
  cell(node: NodeSummary, now: number): string;
  /** Absent: always. */
  says?(node: NodeSummary): boolean;
}

const COLUMNS: readonly Column[] = [
  { heading: "ID", cell: ({ id }) => id },
  { heading: "HOSTNAME", cell: ({ hostname }) => hostname || "-" },
  { heading: "ROLE", cell: ({ role }) => role },
  { heading: "STATUS", cell: ({ status }) => status },
  { heading: "SEEN", cell: lastSeen },
  {
    heading: "EXPIRES",
    cell: ({ certificate }, now) => relativeTime(certificate.notAfter, now),
  },
  {
    heading: "CLOCK",
    cell: ({ clockSkewMs }) => shortSkew(clockSkewMs),
    says: ({ clockSkewMs = 0 }) => Math.abs(clockSkewMs) >= SHOWN_SKEW_MS,
  },
  {
    heading: "USED FROM",
    cell: ({ conflict }) => conflict?.addresses.join(", ") ?? "-",
    says: ({ conflict }) => conflict !== undefined,
  },
  {
    heading: "PROBLEM",
    cell: ({ problem = "-" }) => shortened(problem),
    says: ({ problem }) => problem !== undefined,
  },
];

/** The table of `node ls`: 80 columns for host names of up to 12 characters. */
function nodeTable(
  nodes: readonly NodeSummary[],
  now: number,
): string[] {
  const columns = COLUMNS.filter(({ says }) => !says || nodes.some(says));
  return formatTable(
    columns.map(({ heading }) => heading),
    nodes.map((node) => columns.map(({ cell }) => cell(node, now))),
  );
}

function lastSeen(
  { lastSeen: seen, downSince, status }: NodeSummary,
  now: number,
): string {
  if (seen !== null) return relativeTime(seen, now);
  // Its manager was started after it was seen last
  if (downSince !== undefined) return `before ${relativeTime(downSince, now)}`;
  return status === "joining" ? "never" : "-";
}

function shortened(text: string): string {
  return text.length <= SHOWN_PROBLEM
    ? text
    : `${text.slice(0, SHOWN_PROBLEM - 3)}...`;
}

function shortSkew(skewMs: number | undefined): string {
  if (skewMs === undefined) return "-";
  return skewMs < 0 ? formatDuration(skewMs) : `+${formatDuration(skewMs)}`;
}
