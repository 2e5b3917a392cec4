import { toBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { newId } from "../base/random.ts";
import { HOUR } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import { cutOver, type OrderBase } from "../cluster/root_rotation.ts";
import type { NodeRecord } from "../cluster/node.ts";
import type { EndedRotation, Straggler } from "../cluster/root_record.ts";
import { keepEnd, withEnd } from "../cluster/rotation_end.ts";
import { factsOf } from "../cluster/root_views.ts";
import { CLUSTER, type View } from "../cluster/store.ts";
import { voidTokens } from "../cluster/tokens.ts";
import { crossSign } from "../pki/cross_sign.ts";
import { newestKey } from "../pki/sealed.ts";
import { makeStandingTokens } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";
import type { MadeRoot } from "./authority_source.ts";
import { makeNextRoot } from "./rotation_orders.ts";
import type { Sessions } from "./sessions.ts";

/** How long those who were connected may take to follow, in milliseconds. */
const ASKED_MS = HOUR / 2;
/** How long what they get meanwhile is good for at most, in milliseconds. */
const CARRY_MS = HOUR;

/** Whom a cut reached, by node id. */
export interface CutReport {
  /**
   * Connected when it happened, and known to trust the root that was cut off:
   * they get certificates on their sessions.
   */
  readonly carried: readonly string[];
  /** All others: they have to join again. */
  readonly left: readonly string[];
  /** The same, each with the reason. */
  readonly stragglers: readonly Straggler[];
}

/**
 * Cuts the present root off, because its key is in other hands: a new root and
 * new join tokens, in one transaction. Nothing under the old root is accepted
 * from then on. Who was connected proved itself before, and is carried over on
 * its open session, unless that is not wanted either; who did not trust the
 * old root yet, of a cut just before, could not follow.
 *
 * @throws {SwarmdError} `not-supported` when somebody is to be carried over and
 * the key is elsewhere; else as {@linkcode cutOver} does
 */
export async function cutOff(
  parts: RotationParts,
  { cutAll, from }: {
    readonly cutAll: boolean;
    /** What it was ordered for; another root is not cut off instead. */
    readonly from: OrderBase;
  },
): Promise<CutReport> {
  const { store, authorities, clock, crypto, random } = parts;
  const before = store.view(mustCluster);
  if (!cutAll && !before.root.key) throw keyElsewhere();
  const plan = { crypto, random, now: clock.now() };
  const target = await makeNextRoot(before, { ...parts, ...plan });
  const key = newestKey(parts.keyRing);
  const tokens = await makeStandingTokens({ ...plan, key });
  const order = {
    from,
    present: factsOf(before.root),
    target: target.record,
  };
  const cross = cutAll ? undefined : await crossFor(parts, target);
  await authorities.prepare(cutOver(before, order));
  // Before the transaction: what is issued right after it needs this already.
  if (cross !== undefined) {
    const { certificate: root } = target.record;
    await authorities.carry({ cross, root, until: plan.now + ASKED_MS });
  }
  const id = newId(random);
  const report = await store.update((tx) => {
    const who = whomItReaches(parts, { tx, cutAll });
    const next = cutOver(mustCluster(tx), order);
    const ended = { id, root: factsOf(next.root).digest, at: plan.now };
    tx.put("cluster", CLUSTER, withCut(mustCluster(tx), next, { ended, who }));
    const why = "the root was cut off as compromised";
    audit(tx, { at: plan.now, action: "rotation", by: "operator", why });
    voidTokens(tx, { tokens, by: "operator", now: plan.now });
    return who;
  });
  endOthers(parts, report);
  return report;
}

/** It replaced what was under way, and is over itself. */
function withCut(
  before: ClusterRecord,
  after: ClusterRecord,
  { ended, who }: {
    readonly ended: Pick<EndedRotation, "id" | "root" | "at">;
    readonly who: CutReport;
  },
): ClusterRecord {
  const stragglers = () => [];
  const next = withEnd(before, after, { now: ended.at, stragglers });
  return keepEnd(next, { ...ended, outcome: "finished" }, who.stragglers);
}

/** Only for those who are carried over: not marked as a successor. */
async function crossFor(
  { authorities, crypto, random, clock, store }: RotationParts,
  { certificate: root, record: { generation } }: MadeRoot,
): Promise<string> {
  const { root: issuer, key: issuerKey } = authorities.present;
  const now = clock.now();
  const der = await crossSign(crypto, {
    clusterId: store.view(mustCluster).id,
    root,
    generation,
    successor: false,
    issuer,
    issuerKey,
    random,
    now,
    end: now + CARRY_MS,
  });
  return toBase64(der);
}

function whomItReaches(
  { sessions, nodeId: own }: RotationParts,
  { tx: view, cutAll }: { readonly tx: View; readonly cutAll: boolean },
): CutReport {
  const cluster = mustCluster(view);
  const carried: string[] = [];
  const stragglers: Straggler[] = [];
  for (const node of view.list("node")) {
    if (node.id === own) continue;
    const why = cutAll
      ? "was cut off"
      : whyLeft(node, { cluster, isHere: isConnected(sessions, node.id) });
    if (why === undefined) carried.push(node.id);
    else {
      const reason = `${why}, and has to join again with a new token`;
      stragglers.push({ node: node.id, reason });
    }
  }
  return { carried, left: stragglers.map(({ node }) => node), stragglers };
}

function isConnected(sessions: Sessions, nodeId: string): boolean {
  return sessions.of(nodeId)?.connection !== undefined;
}

/** Why a node cannot follow the root that is cut off to the next. */
function whyLeft(
  node: NodeRecord,
  { cluster, isHere }: {
    readonly cluster: ClusterRecord;
    readonly isHere: boolean;
  },
): string | undefined {
  if (!isHere) return "was not connected";
  return trustsPresent(node, cluster)
    ? undefined
    : "had not adopted the root that was cut off";
}

/**
 * Whether a node is known to trust the present root. While it is told what to
 * trust it has said nothing; then it counts under which root it was seen, or
 * under which other that the present one vouches for.
 */
function trustsPresent(
  { trusts, certificates: { current } }: NodeRecord,
  { root, rotation }: ClusterRecord,
): boolean {
  const { bundle, keyId } = factsOf(root);
  if (trusts !== undefined) return [bundle, rotation?.both].includes(trusts);
  const keys = [keyId, rotation?.cross && rotation.target.facts.keyId];
  return current !== undefined && keys.includes(current.issuerKeyId);
}

function endOthers(
  { sessions }: RotationParts,
  { carried }: CutReport,
): void {
  const stay = new Set(carried);
  for (const { nodeId } of [...sessions]) {
    if (!stay.has(nodeId)) sessions.end(nodeId, cut());
  }
}

/** Trust first would keep a stolen root trusted until it ends. */
function keyElsewhere(): SwarmdError {
  return new SwarmdError(
    "not-supported",
    "Cannot carry anybody over: the key of the present authority is not here, and it vouches for no other",
    {
      verdict: "stop",
      hint:
        "Cut everybody off with `swarmd ca rotate --compromised --cut-all`; all nodes have to join again",
    },
  );
}

function cut(): SwarmdError {
  return new SwarmdError(
    "unverified-chain",
    "Connection closed: the root of the cluster was cut off as compromised",
    { verdict: "rejoin", hint: "Join again with a new token" },
  );
}
