import { SwarmdError } from "../base/errors.ts";
import { DAY, formatTime } from "../base/time.ts";
import type { Role } from "../pki/profile.ts";
import { audit } from "./audit.ts";
import {
  type ClusterRecord,
  roleOfToken,
  type StandingToken,
} from "./cluster.ts";
import type { CreatedToken } from "./created_token.ts";
import { CLUSTER, type Transaction, type View } from "./store.ts";
import { rejectAll, rejectQueue } from "./waiting.ts";

/** Most created tokens that a cluster keeps. */
export const MAX_CREATED_TOKENS = 1_000;
/**
 * How long a token is known after its end: a joiner whose answer was lost has
 * a day to ask again, and is told why it is refused.
 */
const REMEMBERED = DAY;

/** Whether a token lets nodes in, and if not, why. */
export type TokenState =
  | "active"
  | "disabled"
  | "revoked"
  | "expired"
  | "used-up";

/** A token as a join sees it. */
export interface TokenFacts {
  readonly role: Role;
  readonly state: TokenState;
  /** Host name that the node must have; absent: any. */
  readonly name?: string;
}

/** Who changes something, and when. */
export interface Change {
  readonly by: string;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/** Whether a created token lets nodes in. */
export function stateOf(token: CreatedToken, now: number): TokenState {
  if (token.revokedAt !== undefined) return "revoked";
  if (now >= token.expiresAt) return "expired";
  return token.usesLeft > 0 ? "active" : "used-up";
}

/** Whether a standing token lets nodes in. */
export function stateOfStanding(token: StandingToken): TokenState {
  return token.disabledAt === undefined ? "active" : "disabled";
}

/** What a token is good for: a standing one by its id, or the created one. */
export function tokenFacts(
  { cluster, tokenId, created, now }: {
    readonly cluster: ClusterRecord;
    readonly tokenId: string;
    readonly created?: CreatedToken;
    readonly now: number;
  },
): TokenFacts | undefined {
  const role = roleOfToken(cluster, tokenId);
  if (role) return { role, state: stateOfStanding(cluster.tokens[role]) };
  if (!created) return undefined;
  const { role: made, name } = created;
  const state = stateOf(created, now);
  return { role: made, state, ...(name !== undefined && { name }) };
}

/**
 * Adds a token. Those that ended make room for it.
 *
 * @throws {SwarmdError} `precondition` when there are too many
 */
export function addToken(
  tx: Transaction,
  token: CreatedToken,
  { by, now }: Change,
): void {
  if (tx.count("token") >= MAX_CREATED_TOKENS) {
    for (const ended of [...tx.list("token")]) {
      if (stateOf(ended, now) !== "active") tx.remove("token", ended.id);
    }
  }
  if (tx.count("token") >= MAX_CREATED_TOKENS) {
    throw new SwarmdError(
      "precondition",
      `Cannot create a token: there are ${MAX_CREATED_TOKENS}, want fewer`,
      { verdict: "stop", hint: "Take some back with `swarmd token revoke`" },
    );
  }
  tx.put("token", token.id, token);
  const { id, role, usesLeft, expiresAt } = token;
  const why = `token ${id}: ${role}, ${usesLeft} uses until ${
    formatTime(expiresAt)
  }`;
  audit(tx, { at: now, action: "token-made", by, why });
}

/**
 * Takes a created token back, with everybody who waits by it.
 *
 * @throws {SwarmdError} `not-found`; `precondition` for a standing token
 */
export function revokeToken(
  tx: Transaction,
  { id, by, now }: Change & { readonly id: string },
): CreatedToken {
  const token = tx.get("token", id);
  if (!token) throw notCreated(tx, id);
  if (token.revokedAt !== undefined) return token;
  const revoked = { ...token, revokedAt: now };
  tx.put("token", id, revoked);
  audit(tx, { at: now, action: "token-revoked", by, why: `token ${id}` });
  rejectQueue(tx, { tokenId: id, by, now, why: "its token was revoked" });
  return revoked;
}

/**
 * Counts a node that a token lets in. Standing tokens are not counted.
 * Nothing ever gives a use back: a removed node has had it.
 */
export function takeUse(tx: Transaction, tokenId: string): void {
  const token = tx.get("token", tokenId);
  if (!token) return;
  tx.put("token", tokenId, { ...token, usesLeft: token.usesLeft - 1 });
}

/** Puts a new standing token in the place of the old one, which is void. */
export function replaceStanding(
  tx: Transaction,
  { role, token, by, now }: Change & {
    readonly role: Role;
    readonly token: StandingToken;
  },
): void {
  const old = putStanding(tx, role, token);
  const why = `token ${token.id}: ${role}, in place of ${old.id}`;
  audit(tx, { at: now, action: "token-rotated", by, why });
  rejectQueue(tx, { tokenId: old.id, by, now, why: "its token was rotated" });
}

/**
 * Puts new standing tokens in the place of both, because joiners have to pin
 * another root. One that is disabled stays as it is: its operator wants nobody
 * in by it, and no change of the root may open that door again. As with
 * {@linkcode replaceStanding}, whoever waits by the others is rejected, accepted
 * or not: what they hold is void, and they would wait for nothing.
 */
export function replaceAllStanding(
  tx: Transaction,
  { tokens, by, now }: Change & {
    readonly tokens: Readonly<Record<Role, StandingToken>>;
  },
): void {
  for (const role of ["worker", "manager"] as const) {
    if (stateOfStanding(mustCluster(tx).tokens[role]) === "disabled") continue;
    replaceStanding(tx, { role, token: tokens[role], by, now });
  }
}

/**
 * Voids every token, because the root that they pin was cut off: the standing
 * ones are replaced, the created ones gone. Who waits to recover is rejected as
 * well: that root vouched for what it showed.
 */
export function voidTokens(
  tx: Transaction,
  { tokens, ...deed }: Change & {
    readonly tokens: Readonly<Record<Role, StandingToken>>;
  },
): void {
  rejectAll(tx, { ...deed, why: "the root was cut off as compromised" });
  replaceAllStanding(tx, { ...deed, tokens });
  for (const { id } of [...tx.list("token")]) {
    revokeToken(tx, { ...deed, id });
    tx.remove("token", id);
  }
}

/** Does without a standing token; a new one is made by a rotation. */
export function disableStanding(
  tx: Transaction,
  { role, by, now }: Change & { readonly role: Role },
): void {
  const token = mustCluster(tx).tokens[role];
  if (token.disabledAt !== undefined) return;
  putStanding(tx, role, { ...token, disabledAt: now });
  const why = `token ${token.id}: the standing one of the ${role} role`;
  audit(tx, { at: now, action: "token-revoked", by, why });
  rejectQueue(tx, {
    ...{ tokenId: token.id, by, now },
    why: "its token was disabled",
  });
}

/** Created tokens that ended so long ago that nobody asks for them any more. */
export function findEndedTokens(view: View, now: number): CreatedToken[] {
  return [...view.list("token")].filter(({ expiresAt, revokedAt }) =>
    Math.min(expiresAt, revokedAt ?? expiresAt) + REMEMBERED <= now
  );
}

function putStanding(
  tx: Transaction,
  role: Role,
  token: StandingToken,
): StandingToken {
  const cluster = mustCluster(tx);
  const tokens = { ...cluster.tokens, [role]: token };
  tx.put("cluster", CLUSTER, { ...cluster, tokens });
  return cluster.tokens[role];
}

function mustCluster(view: View): ClusterRecord {
  const cluster = view.get("cluster", CLUSTER);
  if (cluster) return cluster;
  throw new SwarmdError("not-initialised", "The store holds no cluster");
}

function notCreated(view: View, id: string): SwarmdError {
  const role = roleOfToken(mustCluster(view), id);
  if (role) {
    return new SwarmdError(
      "precondition",
      `Cannot revoke token ${id}: it is the standing one of the ${role} role`,
      {
        verdict: "stop",
        hint:
          `Use \`swarmd token rotate ${role}\` or \`token disable ${role}\``,
      },
    );
  }
  return new SwarmdError("not-found", `No created token is called "${id}"`, {
    hint: "See their ids with `swarmd token ls`",
  });
}
