import * as z from "zod/mini";
import { toHex } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { AuditRecord } from "../cluster/audit.ts";
import { type Anchor, canonicalEntry } from "../cluster/audit_chain.ts";
import type { HeadSummary } from "../cluster/local_nodes.ts";
import { diskError } from "../disk/disk_error.ts";
import type { Crypto } from "../pki/crypto.ts";

/** Longest line: a head and an entry are about a kilobyte. */
const MAX_LINE = 64 * 1024;
/** Heads of a file that are compared; the newest count. */
const MAX_HEADS = 1_000;

const hash = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const sequence = z.number().check(z.int(), z.gte(1));
const headLine = z.object({
  sequence,
  hash,
  at: z.string(),
  manager: z.string(),
  certificate: z.string(),
  signature: z.string(),
});
const statusLine = z.object({ auditHead: headLine });
const entryLine = z.looseObject({
  sequence,
  at: z.number(),
  action: z.string(),
  by: z.string(),
});

/** What a file says that the log was. */
export interface FileEvidence {
  readonly witnesses: readonly {
    readonly head: HeadSummary;
    readonly source: string;
  }[];
  readonly points: readonly Anchor[];
}

/**
 * Reads JSON lines: heads, entries, or what `status --json` wrote on a node. Of
 * entries the last one counts: its hash says all of those before it.
 *
 * @returns `undefined` when there is no such file
 * @throws {SwarmdError} `usage` naming a line that is none of these;
 * `damaged-state` naming the first entry that the next one does not follow;
 * `disk`
 */
export async function readAnchorFile(
  path: string,
  crypto: Pick<Crypto, "sha256">,
): Promise<FileEvidence | undefined> {
  const heads: HeadSummary[] = [];
  let last: AuditRecord | undefined;
  const lines = linesOf(path);
  for (let number = 1;; number++) {
    const { value, done } = await lines.next();
    if (done) {
      if (value === "absent") return undefined;
      break;
    }
    if (value.trim() === "") continue;
    const found = readLine(value, `"${path}", line ${number}`);
    if (found.head) heads.push(found.head);
    if (heads.length > MAX_HEADS) heads.shift();
    if (!found.entry) continue;
    if (!await follows(found.entry, last, crypto)) {
      throw changed(path, { line: number, entry: found.entry });
    }
    last = found.entry;
  }
  const source = `"${path}"`;
  const witnesses = heads.map((head) => ({ head, source }));
  if (!last) {
    if (witnesses.length === 0) throw unreadable(source, "nothing");
    return { witnesses, points: [] };
  }
  const found = toHex(await crypto.sha256(canonicalEntry(last)));
  const point = { sequence: last.sequence, hash: found, source };
  return { witnesses, points: [point] };
}

/** Whether it may come after that: entries may be missing, and begin anew. */
async function follows(
  { sequence, previous }: AuditRecord,
  before: AuditRecord | undefined,
  crypto: Pick<Crypto, "sha256">,
): Promise<boolean> {
  if (before?.sequence !== sequence - 1 || previous === undefined) return true;
  return previous === toHex(await crypto.sha256(canonicalEntry(before)));
}

interface Line {
  readonly head?: HeadSummary;
  readonly entry?: AuditRecord;
}

function readLine(text: string, place: string): Line {
  const value = parseJson(text);
  const status = z.safeParse(statusLine, value);
  if (status.success) return { head: status.data.auditHead };
  const head = z.safeParse(headLine, value);
  if (head.success) return { head: head.data };
  // As it was written, with fields of a newer version: all are hashed.
  if (z.safeParse(entryLine, value).success) {
    return { entry: value as AuditRecord };
  }
  throw unreadable(place, "something else");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller says what it wanted in its place.
    return undefined;
  }
}

async function* linesOf(
  path: string,
): AsyncGenerator<string, "absent" | "end"> {
  let rest = "";
  try {
    const file = await Deno.open(path);
    const decoder = new TextDecoderStream();
    for await (const chunk of file.readable.pipeThrough(decoder)) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE) throw unreadable(`"${path}"`, "a long line");
      yield* lines;
    }
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return "absent";
    throw diskError("read", path, { cause });
  }
  if (rest !== "") yield rest;
  return "end";
}

function changed(
  path: string,
  { line, entry: { sequence } }: {
    readonly line: number;
    readonly entry: AuditRecord;
  },
): SwarmdError {
  return new SwarmdError(
    "damaged-state",
    `Cannot compare with "${path}": in line ${line}, entry ${sequence} does not follow entry ${
      sequence - 1
    } before it; one of them was changed in this file`,
    {
      verdict: "stop",
      hint:
        "Take another copy of it; without --against the log is checked by itself",
    },
  );
}

function unreadable(place: string, found: string): SwarmdError {
  return new SwarmdError(
    "usage",
    `Cannot compare with ${place}: found ${found}, want lines of \`audit export\` or heads`,
    { verdict: "stop" },
  );
}
