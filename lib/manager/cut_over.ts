import { toBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { HOUR } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import { cutOver } from "../cluster/root_rotation.ts";
import { factsOf } from "../cluster/root_views.ts";
import { CLUSTER, type Transaction } from "../cluster/store.ts";
import { crossSign } from "../pki/cross_sign.ts";
import { newestKey } from "../pki/sealed.ts";
import { makeStandingToken } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";
import type { MadeRoot } from "./authority_source.ts";
import { makeNextRoot } from "./rotation_orders.ts";

/** How long those who were connected may take to follow, in milliseconds. */
const ASKED_MS = HOUR / 2;
/** How long what they get meanwhile is good for at most, in milliseconds. */
const CARRY_MS = HOUR;

/** Whom a cut reached, by node id. */
export interface CutReport {
  /** Connected when it happened: they get certificates on their sessions. */
  readonly carried: readonly string[];
  /** All others: they have to join again. */
  readonly left: readonly string[];
}

/**
 * Cuts the present root off, because its key is in other hands: a new root and
 * new join tokens, in one transaction. Nothing under the old root is accepted
 * from then on. Who was connected proved itself before, and is carried over on
 * its open session, unless that is not wanted either.
 */
export async function cutOff(
  parts: RotationParts,
  { cutAll }: { readonly cutAll: boolean },
): Promise<CutReport> {
  const { store, authorities, clock, crypto, random } = parts;
  const before = store.view(mustCluster);
  const plan = { crypto, random, now: clock.now() };
  const target = await makeNextRoot(before, { ...parts, ...plan });
  const token = { ...plan, key: newestKey(parts.keyRing) };
  const tokens = {
    worker: await makeStandingToken(token, "worker"),
    manager: await makeStandingToken(token, "manager"),
  };
  const order = {
    present: factsOf(before.root),
    target: target.record,
    tokens,
  };
  const cross = cutAll ? undefined : await crossFor(parts, target);
  await authorities.prepare(cutOver(before, order));
  // Before the transaction: what is issued right after it needs this already.
  if (cross !== undefined) {
    const { generation } = target.record;
    await authorities.carry({ cross, generation, until: plan.now + ASKED_MS });
  }
  await store.update((tx) => {
    tx.put("cluster", CLUSTER, cutOver(mustCluster(tx), order));
    voidTokens(tx);
    const why = "the root was cut off as compromised";
    audit(tx, { at: plan.now, action: "rotation", by: "operator", why });
  });
  authorities.forget();
  return report(parts, cutAll);
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

/** Their digest is of the root that was cut off, and their secrets with it. */
function voidTokens(tx: Transaction): void {
  for (const { id } of [...tx.list("token")]) tx.remove("token", id);
  for (const { spki } of [...tx.list("applicant")]) {
    tx.remove("applicant", spki);
  }
}

function report(
  { store, sessions, nodeId: own }: RotationParts,
  cutAll: boolean,
): CutReport {
  const carried: string[] = [];
  for (const { nodeId, connection } of [...sessions]) {
    if (connection && !cutAll) carried.push(nodeId);
    else sessions.end(nodeId, cut());
  }
  const known = new Set([own, ...carried]);
  const nodes = store.view((view) => [...view.list("node")]);
  const left = nodes.map(({ id }) => id).filter((id) => !known.has(id));
  return { carried, left };
}

function cut(): SwarmdError {
  return new SwarmdError(
    "unverified-chain",
    "Connection closed: the root of the cluster was cut off as compromised",
    { verdict: "rejoin", hint: "Join again with a new token" },
  );
}
