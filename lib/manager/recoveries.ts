import type { Bytes } from "../base/bytes.ts";
import type { RecoveringPeer } from "../cluster/admission.ts";
import type { Applicant, ShownCertificate } from "../cluster/applicant.ts";
import type { IssuanceDecision } from "../cluster/issuance.ts";
import { recordIssued } from "../cluster/issued.ts";
import {
  acceptable,
  decideRecovery,
  type RecoveryDecision,
  withRecovery,
} from "../cluster/recovery.ts";
import type { Store, Transaction, View } from "../cluster/store.ts";
import { applicantOf, enqueueRecovery } from "../cluster/waiting.ts";
import type { Clock } from "../base/time.ts";
import type { ClockGuard } from "./clock_guard.ts";
import type { Issuance } from "./issuance.ts";
import type { Outcome, ProvenKey } from "./issuance_orders.ts";
import { mustNode } from "./records.ts";

/** What recovery works with. */
export interface RecoveryParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly issuance: Issuance;
  readonly clockGuard: Pick<ClockGuard, "witness">;
}

/** A node that comes back, and asks for a certificate. */
export interface RecoverRequest {
  readonly csr: Bytes;
  readonly peer: RecoveringPeer;
  /** Address of the caller, for the audit log and for who approves. */
  readonly by: string;
}

/** Gives nodes that come back their next certificate, or has them wait. */
export class Recoveries {
  readonly #parts: RecoveryParts;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** @throws {SwarmdError} `csr-refused`, or a `Refusal` */
  async recover(request: RecoverRequest): Promise<Outcome> {
    const { issuance, clock } = this.#parts;
    const { csr, by, peer } = request;
    const key = await issuance.readKey(csr);
    const decide = (view: View) => this.#decide(view, { ...request, ...key });
    const applicant = await this.#wait(decide, { ...request, ...key });
    if (applicant) return { applicant };
    return await issuance.fulfil({
      ...key,
      ...{ csr, by },
      action: "recovered",
      why: peer.reason,
      decide: (view) => mustNotWait(decide(view)),
      record: (tx, { nodeId, issued }) => {
        const now = clock.now();
        const node = withRecovery(mustNode(tx, nodeId), now);
        recordIssued(tx, { node, issued, now });
        tx.remove("applicant", key.spkiHash);
      },
    });
  }

  /**
   * Takes down what the clock of a node says that has just come; old versions
   * do not tell. A copy of what was replaced may be anybody's: it is no witness.
   */
  hear(peer: RecoveringPeer, now: number | undefined): void {
    const { store, clockGuard } = this.#parts;
    const node = store.view((view) => view.get("node", peer.nodeId));
    if (node && acceptable(node, peer)) clockGuard.witness(node.id, now);
  }

  /** It is written once; who asks again is told the same. */
  async #wait(
    decide: (view: View) => RecoveryDecision,
    request: RecoverRequest & ProvenKey,
  ): Promise<Applicant | undefined> {
    const { store, clock } = this.#parts;
    const { spkiHash: spki } = request;
    if (store.view(decide).kind !== "wait") return undefined;
    const now = clock.now();
    return store.view((view) => applicantOf(view, { spki, now })) ??
      await store.update((tx) => this.#enqueue(tx, decide(tx), request));
  }

  /** @returns `undefined` when it need not wait any more */
  #enqueue(
    tx: Transaction,
    decision: RecoveryDecision,
    { peer, by: address, spkiHash: spki }: RecoverRequest & ProvenKey,
  ): Applicant | undefined {
    if (decision.kind !== "wait") return undefined;
    const at = this.#parts.clock.now();
    const present = applicantOf(tx, { spki, now: at });
    if (present) return present;
    const { reason, why } = decision;
    const { id: nodeId, role, description } = mustNode(tx, peer.nodeId);
    const applicant: Applicant = {
      ...{ spki, nodeId, role, kind: "recover", address, reason, why, at },
      shown: certificateOf(peer),
      ...(description && { description }),
    };
    enqueueRecovery(tx, applicant);
    return applicant;
  }

  #decide(
    view: View,
    { peer, spkiHash: spki }: RecoverRequest & ProvenKey,
  ): RecoveryDecision {
    const { issuance } = this.#parts;
    const node = view.get("node", peer.nodeId);
    const removed = view.get("removed", peer.nodeId);
    const circumstances = issuance.circumstances(view, node);
    const { now } = circumstances;
    const applicant = applicantOf(view, { spki, now });
    const holder = issuance.holderOf(spki) ??
      view.get("redemption", spki)?.nodeId;
    return decideRecovery({
      ...circumstances,
      ...{ peer, spki },
      ...(node && { node }),
      ...(removed && { removed }),
      ...(applicant && { applicant }),
      ...(holder !== undefined && { holder }),
    });
  }
}

function certificateOf(peer: RecoveringPeer): ShownCertificate {
  const { fingerprint, serial, notBefore, issuerKeyId } = peer;
  return { fingerprint, serial, notBefore, issuerKeyId };
}

/** It was decided otherwise while its certificate was signed. */
function mustNotWait(decision: RecoveryDecision): IssuanceDecision {
  if (decision.kind !== "wait") return decision;
  return { kind: "refuse", code: "too-busy", why: decision.why };
}
