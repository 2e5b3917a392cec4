import { SwarmdError } from "../base/errors.ts";
import { DAY } from "../base/time.ts";
import type { Applicant } from "./applicant.ts";
import { audit } from "./audit.ts";
import type { Transaction, View } from "./store.ts";

/** How long an applicant is remembered, whatever was said, in milliseconds. */
export const WAIT_MS = DAY;
/** Most applicants in all. */
export const MAX_WAITING = 1_000;
/** Most applicants that came by one token. */
export const MAX_WAITING_PER_TOKEN = 100;
/** Most keys that wait to be one node again, by one certificate. */
const MAX_WAITING_PER_CERTIFICATE = 4;
/**
 * And by all of its certificates. A worker gets itself one after the other: with
 * some hundred of them it would keep everybody else out.
 */
const MAX_WAITING_PER_NODE = 32;

/** What an operator says of an applicant. */
export type Word = NonNullable<Applicant["verdict"]>;

/** Who decides, and when. */
interface Deed {
  readonly by: string;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/** The applicant that a key is, unless it was forgotten. */
export function applicantOf(
  view: View,
  { spki, now }: { readonly spki: string; readonly now: number },
): Applicant | undefined {
  const applicant = view.get("applicant", spki);
  return applicant && !isForgotten(applicant, now) ? applicant : undefined;
}

/** Everybody who waits, or was accepted and has not come back yet. */
export function listWaiting(view: View, now: number): Applicant[] {
  return [...view.list("applicant")].filter((each) =>
    each.verdict !== "rejected" && !isForgotten(each, now)
  );
}

/** Applicants that may be forgotten. */
export function findForgotten(view: View, now: number): Applicant[] {
  return [...view.list("applicant")].filter((each) => isForgotten(each, now));
}

/**
 * Lets somebody wait for an operator's word.
 *
 * @throws {SwarmdError} `too-busy` when too many wait already
 */
export function enqueue(tx: Transaction, applicant: Applicant): void {
  const { at, tokenId, nodeId: node, address: by, spki } = applicant;
  const waiting = listWaiting(tx, at);
  if (waiting.length >= MAX_WAITING) throw full(waiting.length, "");
  const same = waiting.filter((each) => each.tokenId === tokenId).length;
  if (tokenId !== undefined && same >= MAX_WAITING_PER_TOKEN) {
    throw full(same, " by the same token");
  }
  makeRoom(tx, at);
  tx.put("applicant", spki, applicant);
  const why = tokenId === undefined
    ? applicant.why
    : `${applicant.why}; token ${tokenId}`;
  audit(tx, { at, action: "waiting", node, by, fingerprint: spki, why });
}

/**
 * Lets a node that comes back wait. Whoever holds one old certificate of it can
 * make as many keys as he likes: few of them wait, and they take no place of
 * those who show another certificate, such as the machine itself. Nor do
 * rejected ones: else four of them keep a machine out for a day whose own
 * certificate was copied.
 *
 * @throws {SwarmdError} `too-busy` when too many wait already
 */
export function enqueueRecovery(tx: Transaction, applicant: Applicant): void {
  const { nodeId, at, shown } = applicant;
  const all = listWaiting(tx, at).filter((each) =>
    each.kind === "recover" && each.nodeId === nodeId
  );
  if (all.length >= MAX_WAITING_PER_NODE) {
    throw full(all.length, " to be the same node");
  }
  const same = all.filter((each) =>
    each.shown?.fingerprint === shown?.fingerprint
  );
  if (same.length >= MAX_WAITING_PER_CERTIFICATE) {
    throw full(same.length, " with the same certificate");
  }
  enqueue(tx, applicant);
}

/** Says of an applicant whether it may; saying the same again changes nothing. */
export function giveWord(
  tx: Transaction,
  { applicant, word, by, now, why }: Deed & {
    readonly applicant: Applicant;
    readonly word: Word;
    readonly why?: string;
  },
): void {
  if (applicant.verdict === word) return;
  const { spki: fingerprint, nodeId: node } = applicant;
  tx.put("applicant", fingerprint, { ...applicant, verdict: word });
  const entry = { at: now, action: word, node, by, fingerprint };
  audit(tx, { ...entry, ...(why !== undefined && { why }) });
}

/** Rejects everybody who came by a token that is void now. */
export function rejectQueue(
  tx: Transaction,
  { tokenId, ...deed }: Deed & {
    readonly tokenId: string;
    readonly why: string;
  },
): void {
  for (const applicant of listWaiting(tx, deed.now)) {
    if (applicant.tokenId !== tokenId) continue;
    giveWord(tx, { ...deed, applicant, word: "rejected" });
  }
}

/** Rejects everybody. */
export function rejectAll(
  tx: Transaction,
  deed: Deed & { readonly why: string },
): void {
  for (const applicant of listWaiting(tx, deed.now)) {
    giveWord(tx, { ...deed, applicant, word: "rejected" });
  }
}

/**
 * The one applicant that an operator means: by its node's id, or a beginning
 * of it, and where several keys ask for the same node, by its fingerprint.
 *
 * @returns `undefined` when none is meant
 * @throws {SwarmdError} `not-found` when several are; `precondition` when the
 * one that is meant has another fingerprint
 */
export function findApplicant(
  view: View,
  { prefix, fingerprint = "", now }: {
    readonly prefix: string;
    /** Beginning of the key's fingerprint, lower-case hex. */
    readonly fingerprint?: string;
    readonly now: number;
  },
): Applicant | undefined {
  const named = listWaiting(view, now)
    .filter(({ nodeId }) => nodeId.startsWith(prefix));
  if (named.length === 0) return undefined;
  const meant = named.filter(({ spki }) => spki.startsWith(fingerprint));
  const [applicant] = meant;
  if (applicant && meant.length === 1) return applicant;
  if (!applicant) throw otherKey(prefix, named);
  throw new SwarmdError(
    "not-found",
    `Cannot tell which applicant is "${prefix}": ${meant.length} are, want 1`,
    { hint: "Give more of its id, or its key's --fingerprint" },
  );
}

function otherKey(prefix: string, named: readonly Applicant[]): SwarmdError {
  const keys = named.map(({ spki }) => spki.slice(0, 16)).join(", ");
  return new SwarmdError(
    "precondition",
    `Cannot decide on "${prefix}": its key is ${keys}…, not the one given`,
    {
      verdict: "stop",
      hint: "Compare with what the machine itself shows; reject who is not it",
    },
  );
}

/** Rejected ones are kept to be told so, as long as there is room. */
function makeRoom(tx: Transaction, now: number): void {
  if (tx.count("applicant") < MAX_WAITING) return;
  const over = [...tx.list("applicant")]
    .filter((each) => each.verdict === "rejected" || isForgotten(each, now))
    .toSorted((a, b) => a.at - b.at)
    .slice(0, tx.count("applicant") - MAX_WAITING + 1);
  for (const { spki } of over) tx.remove("applicant", spki);
}

function isForgotten({ at }: Applicant, now: number): boolean {
  return now - at >= WAIT_MS;
}

function full(waiting: number, which: string): SwarmdError {
  return new SwarmdError(
    "too-busy",
    `Cannot wait for approval: ${waiting} wait${which} already`,
    { hint: "An operator clears the queue with `swarmd node ls --pending`" },
  );
}
