import { SwarmdError } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import type { AuditRecord } from "../cluster/audit.ts";
import type { AuditSummary } from "../cluster/local_api.ts";
import { type LocalClient, localClient } from "./client.ts";
import type { OperatorOptions } from "./options.ts";

/** `audit tail` */
export async function auditTail(
  { number, follow, ...options }: OperatorOptions & {
    readonly number: number;
    readonly follow: boolean;
  },
): Promise<number> {
  const { host, stateDir } = options;
  const client = localClient(stateDir, host);
  const { last } = await client.get<AuditSummary>("/v1/audit");
  const after = Math.max(0, last - number);
  for await (const page of auditPages(client, { after, last })) {
    await show(page, options);
  }
  for (let seen = last; follow;) {
    const page = await client
      .post<AuditRecord[]>("/v1/audit/next", { after: seen });
    await show(page, options);
    seen = page.at(-1)?.sequence ?? seen;
  }
  return 0;
}

/** `audit export` */
export async function auditExport(
  { heads, host, stateDir }: OperatorOptions & { readonly heads: boolean },
): Promise<number> {
  const client = localClient(stateDir, host);
  const { last, head } = await client.get<AuditSummary>("/v1/audit");
  if (heads) {
    if (!head) {
      const text = "Cannot export a head: none was signed yet";
      throw new SwarmdError("precondition", text, { verdict: "retry" });
    }
    await host.output.json(head);
    return 0;
  }
  for await (const page of auditPages(client, { after: 0, last })) {
    await host.output.lines(page.map((entry) => JSON.stringify(entry)));
  }
  return 0;
}

/** Which entries are wanted. */
export interface AuditRange {
  /** Entries with a higher number than this. */
  readonly after: number;
  /** The last one that is wanted; the log may go on. */
  readonly last: number;
}

/**
 * The entries of the local manager, page by page.
 *
 * @throws {SwarmdError} `damaged-state` when an entry cannot be read, or its
 * number leads back: the numbers are those that entries carry
 */
export async function* auditPages(
  client: Pick<LocalClient, "post">,
  { after, last }: AuditRange,
): AsyncGenerator<readonly AuditRecord[]> {
  for (let seen = after; seen < last;) {
    const page = await client
      .post<AuditRecord[]>("/v1/audit/page", { after: seen });
    const wanted = page.filter(({ sequence }) => sequence <= last);
    yield wanted.length > 0 ? wanted : page;
    const { sequence = last } = page.at(-1) ?? {};
    if (sequence <= seen) {
      throw new SwarmdError(
        "damaged-state",
        `Cannot read the audit log: entry ${sequence} stands after entry ${seen}`,
        { verdict: "stop", hint: "Look with `swarmd audit verify`" },
      );
    }
    seen = sequence;
  }
}

async function show(
  page: readonly AuditRecord[],
  { json, host }: Pick<OperatorOptions, "json" | "host">,
): Promise<void> {
  const lines = page.map((e) => json ? JSON.stringify(e) : lineOf(e));
  if (lines.length > 0) await host.output.lines(lines);
}

function lineOf(entry: AuditRecord): string {
  const { sequence, at, action, node, by, serial, why } = entry;
  return [
    sequence,
    formatTime(at),
    action,
    ...node === undefined ? [] : [`node=${node}`],
    `by=${by}`,
    ...serial === undefined ? [] : [`serial=${serial}`],
    ...why === undefined ? [] : [why],
  ].join("  ");
}
