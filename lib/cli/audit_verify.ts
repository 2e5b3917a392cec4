import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import type { AuditRecord } from "../cluster/audit.ts";
import {
  type Anchor,
  type ChainBreak,
  ChainWalk,
} from "../cluster/audit_chain.ts";
import { judgeSignature, type SignedHead } from "../cluster/audit_head.ts";
import type {
  AuditSummary,
  CaSummary,
  ManagerStatus,
} from "../cluster/local_api.ts";
import type { HeadSummary, NodeDetail } from "../cluster/local_nodes.ts";
import { serverCrypto } from "../net/system.ts";
import { readCertificates } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import { readAnchorFile } from "./audit_file.ts";
import { auditPages } from "./audit_log.ts";
import { type LocalClient, localClient } from "./client.ts";
import { moment } from "./describe.ts";
import { exitNumber } from "./exit_codes.ts";
import type { OperatorOptions } from "./options.ts";

/** A node's id, or the beginning of one. */
const NODE_REGEXP = /^[0-9a-z]{1,25}$/;

/** A head, and where it comes from. */
interface Witness {
  readonly head: HeadSummary;
  readonly source: string;
}

/** What the log is compared with, beside itself. */
interface Evidence {
  readonly witnesses: readonly Witness[];
  /** Known without a signature. */
  readonly points: readonly Anchor[];
}

/** `audit verify` */
export async function auditVerify(
  { against, ...options }: OperatorOptions & { readonly against?: string },
): Promise<number> {
  const { host, stateDir } = options;
  const client = localClient(stateDir, host);
  const crypto = await serverCrypto();
  // Before the end of the log is asked for: it may grow in between.
  const given = against === undefined
    ? { witnesses: [], points: [] }
    : await readAgainst(against, { client, crypto });
  const summary = await client.get<AuditSummary>("/v1/audit");
  const judged = await judgeWitnesses(client, { crypto, summary, given });
  const walk = new ChainWalk({
    sha256: (data) => crypto.sha256(data),
    anchors: [...given.points, ...judged.anchors],
  });
  const broken = judged.broken ??
    await follow(client, { walk, last: summary.last });
  const compared = [
    ...given.witnesses.map(({ head, source }) => ({ ...head, source })),
    ...given.points,
  ];
  const found = { walk, summary, compared, notes: judged.notes };
  return broken
    ? await tellBroken(options, broken)
    : await tellIntact(options, found);
}

async function readAgainst(
  against: string,
  { client, crypto }: {
    readonly client: LocalClient;
    readonly crypto: Crypto;
  },
): Promise<Evidence> {
  const file = await readAnchorFile(against, crypto);
  if (file) return file;
  if (!NODE_REGEXP.test(against)) {
    throw new SwarmdError(
      "not-found",
      `Cannot compare with "${against}": found no such file, and it is no node's id`,
      { verdict: "stop", hint: "`swarmd node ls` shows the ids" },
    );
  }
  const path = `/v1/nodes/${against}`;
  const { id, auditHead: head } = await client.get<NodeDetail>(path);
  if (head) {
    return { witnesses: [{ head, source: `node ${id}` }], points: [] };
  }
  throw new SwarmdError(
    "precondition",
    `Cannot compare with node ${id}: it is not connected, or keeps no head yet`,
    {
      hint:
        "Take the file that `swarmd status --json` writes on the node, with --against",
    },
  );
}

interface Judged {
  readonly anchors: readonly Anchor[];
  readonly notes: readonly string[];
  readonly broken?: ChainBreak;
}

/** @throws {SwarmdError} `unverified-chain` for a given head that is forged */
async function judgeWitnesses(
  client: LocalClient,
  { crypto, summary: { head, last }, given }: {
    readonly crypto: Crypto;
    readonly summary: AuditSummary;
    readonly given: Evidence;
  },
): Promise<Judged> {
  const { cluster: clusterId } = await client.get<ManagerStatus>("/v1/status");
  const { pem } = await client.get<CaSummary>("/v1/ca");
  const anchors = await readCertificates(crypto, pem);
  const judge = (witness: HeadSummary) =>
    judgeSignature(crypto, { head: signed(witness), clusterId, anchors });
  const notes: string[] = [];
  for (const { head, source } of given.witnesses) {
    const verdict = await judge(head);
    if (verdict === "other-root") notes.push(otherRoot(source));
    if (verdict === "forged") throw forged(source);
  }
  const points = given.witnesses.map(({ head, source }) => ({
    ...head,
    source: `the head of ${source}`,
  }));
  if (!head) {
    return { anchors: points, notes: [...notes, "No head was signed yet"] };
  }
  const verdict = await judge(head);
  const source = "the signed head";
  if (verdict === "other-root") notes.push(otherRoot(source));
  const why = "the stored head does not carry this manager's signature";
  return {
    anchors: [...points, { ...head, source }],
    notes,
    ...(verdict === "forged" && {
      broken: { sequence: Math.min(head.sequence, last), why },
    }),
  };
}

function otherRoot(source: string): string {
  return `${source} was signed under another root: only its hash was compared`;
}

function forged(source: string): SwarmdError {
  return new SwarmdError(
    "unverified-chain",
    `Cannot compare with the head of ${source}: it does not carry a manager's signature`,
    {
      verdict: "stop",
      hint: "It says nothing about the log: look at its source",
    },
  );
}

function signed({ at, ...head }: HeadSummary): SignedHead {
  return { ...head, at: Date.parse(at) };
}

async function follow(
  client: LocalClient,
  { walk, last }: { readonly walk: ChainWalk; readonly last: number },
): Promise<ChainBreak | undefined> {
  try {
    for await (const page of auditPages(client, { after: 0, last })) {
      const broken = await walk.read(page);
      if (broken) return broken;
    }
  } catch (error) {
    if (!hasCode(error, "damaged-state")) throw error;
    return await findDamaged(client, walk);
  }
  return walk.finish();
}

/** A page cannot be read: which of its entries is it? */
async function findDamaged(
  client: LocalClient,
  walk: ChainWalk,
): Promise<ChainBreak> {
  for (;;) {
    const after = walk.checked;
    try {
      const question = { after, limit: 1 };
      const page = await client
        .post<AuditRecord[]>("/v1/audit/page", question);
      const broken = await walk.read(page);
      if (broken) return broken;
      if (page.length === 0) throw new RangeError("The page reads well now");
    } catch (error) {
      if (!hasCode(error, "damaged-state")) throw error;
      return { sequence: after + 1, why: describeError(error) };
    }
  }
}

async function tellBroken(
  { host, json }: OperatorOptions,
  { sequence, why }: ChainBreak,
): Promise<number> {
  if (json) await host.output.json({ intact: false, sequence, why });
  else await host.output.lines([`Broken at entry ${sequence}: ${why}`]);
  return exitNumber("audit-broken");
}

interface Found {
  readonly walk: ChainWalk;
  readonly summary: AuditSummary;
  readonly compared: readonly Pick<Anchor, "source" | "sequence">[];
  readonly notes: readonly string[];
}

async function tellIntact(
  { host, json }: OperatorOptions,
  { walk, summary: { head }, compared, notes }: Found,
): Promise<number> {
  const { checked: entries, from } = walk;
  for (const note of notes) host.output.say("warning", note);
  if (json) {
    await host.output.json({
      intact: true,
      entries,
      from: from ?? null,
      ...(head && { signed: { sequence: head.sequence, at: head.at } }),
      compared: compared.map(({ source }) => source),
    });
    return 0;
  }
  const since = from === undefined
    ? "none is linked yet"
    : from === 1
    ? "linked from the first one on"
    : `linked from entry ${from} on; those before ${
      from - 1
    } are of before there was a chain`;
  await host.output.lines([
    `Intact: ${entries} entries, ${since}`,
    ...head
      ? [`Signed up to entry ${head.sequence}, ${moment(head.at, host.now())}`]
      : [],
    ...compared.map(({ source, sequence }) =>
      `It agrees with ${source}, up to entry ${sequence}`
    ),
  ]);
  return 0;
}
