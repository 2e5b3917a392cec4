import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type { Applicant } from "../cluster/applicant.ts";
import type {
  AcceptedNewer,
  ApplicantSummary,
  LeftOver,
} from "../cluster/local_api.ts";
import type { NodeRecord } from "../cluster/node.ts";
import { whyNotNewer } from "../cluster/recovery.ts";
import { changeStanding } from "../cluster/standing.ts";
import type { Store, Transaction, View } from "../cluster/store.ts";
import { stateOf } from "../cluster/tokens.ts";
import {
  findApplicant,
  giveWord,
  listWaiting,
  type Word,
} from "../cluster/waiting.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import { findNode } from "./find_node.ts";
import { mustNode } from "./records.ts";

/** What an operator's word on who waits works with. */
export interface ApprovalParts {
  readonly store: Store;
  readonly clock: Clock;
}

const MIN_FINGERPRINT = 8;
const OPERATOR = "operator";
const SAID = { by: OPERATOR, why: "an operator said so" };
const somebody = z.object({
  id: z.string().check(z.minLength(1)),
  /** Beginning of the key's fingerprint, lower-case hex. */
  fingerprint: z.optional(z.string().check(z.regex(/^[0-9a-f]{1,64}$/))),
});
type Somebody = z.infer<typeof somebody>;

/** What an operator may say of who waits. */
export function approvalActions(parts: ApprovalParts): Actions {
  return {
    "/v1/nodes/accept": (body) => accept(parts, readBody(somebody, body)),
    "/v1/nodes/accept-newer": () => acceptNewer(parts),
    "/v1/nodes/reject": (body) => reject(parts, readBody(somebody, body)),
  };
}

/** Everybody who waits, oldest first. */
export function listApplicants(
  { store, clock }: ApprovalParts,
): ApplicantSummary[] {
  const now = clock.now();
  return store.view((view) => listWaiting(view, now))
    .toSorted((a, b) => a.at - b.at)
    .map((each) => ({
      id: each.nodeId,
      fingerprint: each.spki,
      kind: each.kind,
      state: each.verdict === "accepted" ? "accepted" : "waiting",
      role: each.role,
      hostname: each.description?.hostname ?? "",
      address: each.address,
      ...(each.tokenId !== undefined && { token: each.tokenId }),
      since: new Date(each.at).toISOString(),
      why: each.why,
    }));
}

/** Lets in who waits; a node that two machines fight over counts as one. */
async function accept({ store, clock }: ApprovalParts, given: Somebody) {
  checkLength(given);
  const now = clock.now();
  return await store.update((tx) => {
    const applicant = applicantMeant(tx, { ...given, now });
    if (!applicant) return acceptNode(tx, { ...given, now });
    ACCEPT[applicant.kind](tx, { applicant, now });
    giveWord(tx, { ...SAID, applicant, word: "accepted", now });
    return answer(applicant, "accepted");
  });
}

interface Acceptance {
  readonly applicant: Applicant;
  readonly now: number;
}

/** What has to hold, or to be done, when an applicant of a kind is accepted. */
const ACCEPT: Readonly<
  Record<Applicant["kind"], (tx: Transaction, what: Acceptance) => void>
> = {
  join: checkToken,
  recover: (tx, { applicant }) => void mustNode(tx, applicant.nodeId),
};

/**
 * After a store was restored: the nodes that renewed since the backup. Whoever
 * else waits to recover is for a person to compare.
 */
async function acceptNewer(
  { store, clock }: ApprovalParts,
): Promise<AcceptedNewer> {
  const now = clock.now();
  return await store.update((tx) => {
    const waiting = listWaiting(tx, now).filter(({ kind, nodeId }) =>
      kind === "recover" && tx.get("node", nodeId) !== undefined
    );
    const { accepted, left } = splitNewer(tx, waiting);
    for (const applicant of accepted) {
      giveWord(tx, { ...SAID, applicant, word: "accepted", now });
    }
    return { accepted: accepted.map(({ nodeId }) => nodeId), left };
  });
}

/** Who may be accepted unseen, and who was left for a person, and why. */
function splitNewer(view: View, waiting: readonly Applicant[]) {
  const groups = Map.groupBy(waiting, ({ nodeId }) => nodeId);
  const accepted: Applicant[] = [];
  const left: LeftOver[] = [];
  for (const applicant of waiting) {
    const { nodeId: id, spki: fingerprint, verdict } = applicant;
    const keys = groups.get(id)?.length ?? 1;
    const why = keys > 1
      ? `${keys} keys wait to be this node`
      : whyNotNewer(view, applicant);
    if (why === undefined) accepted.push(applicant);
    else if (!verdict) left.push({ id, fingerprint, why });
  }
  return { accepted, left };
}

async function reject({ store, clock }: ApprovalParts, given: Somebody) {
  checkLength(given);
  const now = clock.now();
  return await store.update((tx) => {
    const applicant = applicantMeant(tx, { ...given, now });
    if (!applicant) throw nobody(given.id);
    giveWord(tx, { ...SAID, applicant, word: "rejected", now });
    return answer(applicant, "rejected");
  });
}

function answer({ nodeId: id, spki: fingerprint }: Applicant, state: Word) {
  return { id, fingerprint, state };
}

function acceptNode(
  tx: Transaction,
  { id, fingerprint, now }: Somebody & { readonly now: number },
) {
  const node = findNode(tx, id);
  if (node.admission !== "conflict") throw nobody(node.id);
  if (!keysOf(node).some((spki) => spki.startsWith(fingerprint ?? ""))) {
    throw new SwarmdError(
      "precondition",
      `Cannot accept node ${node.id}: it has no key of that fingerprint`,
      { verdict: "stop" },
    );
  }
  const { id: nodeId } = node;
  changeStanding(tx, { nodeId, change: "accept", now, by: OPERATOR });
  return { id: nodeId, state: "accepted" };
}

/** A token is not promised to more machines than it may let in. */
function checkToken(tx: Transaction, { applicant, now }: Acceptance): void {
  const { tokenId = "", verdict, nodeId } = applicant;
  const token = tx.get("token", tokenId);
  if (!token || verdict === "accepted") return;
  const promised = listWaiting(tx, now)
    .filter((each) => each.tokenId === tokenId && each.verdict === "accepted");
  if (
    stateOf(token, now) !== "used-up" && promised.length < token.usesLeft
  ) return;
  throw new SwarmdError(
    "precondition",
    `Cannot accept ${nodeId}: its token lets in ${token.usesLeft} more, and ${promised.length} are accepted already`,
    {
      verdict: "stop",
      hint: "Reject it, and give the machine another token",
    },
  );
}

function applicantMeant(
  tx: Transaction,
  { id: prefix, fingerprint, now }: Somebody & { readonly now: number },
): Applicant | undefined {
  const key = fingerprint === undefined ? {} : { fingerprint };
  return findApplicant(tx, { prefix, ...key, now });
}

function keysOf({ certificates }: NodeRecord): string[] {
  const { current, pending, previous } = certificates;
  return [current, pending, previous].flatMap((each) =>
    each ? [each.spki] : []
  );
}

/** Whoever guesses a key that begins with four digits has it in a second. */
function checkLength({ fingerprint }: Somebody): void {
  if (!fingerprint || fingerprint.length >= MIN_FINGERPRINT) return;
  throw new SwarmdError(
    "usage",
    `Cannot compare the fingerprint: found ${fingerprint.length} digits, want at least ${MIN_FINGERPRINT}`,
    { verdict: "stop" },
  );
}

function nobody(id: string): SwarmdError {
  return new SwarmdError("precondition", `Nothing waits under "${id}"`, {
    verdict: "stop",
    hint: "See who waits with `swarmd node ls --pending`",
  });
}
