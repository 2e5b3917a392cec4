import type { Bytes } from "../base/bytes.ts";
import type { RecoveringPeer } from "../cluster/admission.ts";
import type { IssuanceDecision } from "../cluster/issuance.ts";
import { withPending } from "../cluster/node.ts";
import {
  decideRecovery,
  type RecoveryDecision,
  withRecovery,
} from "../cluster/recovery.ts";
import type { Store, Transaction, View } from "../cluster/store.ts";
import { applicantOf, enqueueRecovery } from "../cluster/waiting.ts";
import type { Clock } from "../base/time.ts";
import type { JoinResult, PendingResult } from "../rpc/schemas.ts";
import type { Issuance, ProvenKey } from "./issuance.ts";
import { mustNode } from "./records.ts";

/** What recovery works with. */
export interface RecoveryParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly issuance: Issuance;
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
  async recover(request: RecoverRequest): Promise<JoinResult> {
    const { issuance, clock } = this.#parts;
    const { csr, by, peer } = request;
    const key = await issuance.readKey(csr);
    const decide = (view: View) => this.#decide(view, { ...request, ...key });
    const pending = await this.#wait(decide, { ...request, ...key });
    if (pending) return pending;
    return await issuance.fulfil({
      ...key,
      ...{ csr, by },
      action: "recovered",
      why: peer.reason,
      decide: (view) => mustNotWait(decide(view)),
      record: (tx, { nodeId, issued }) => {
        const back = withRecovery(mustNode(tx, nodeId), clock.now());
        tx.put("node", nodeId, withPending(back, issued));
        tx.remove("applicant", key.spkiHash);
      },
    });
  }

  /** It is written once; who asks again is told the same. */
  async #wait(
    decide: (view: View) => RecoveryDecision,
    request: RecoverRequest & ProvenKey,
  ): Promise<PendingResult | undefined> {
    const { store, clock, issuance } = this.#parts;
    const { peer: { nodeId }, spkiHash: spki } = request;
    if (store.view(decide).kind !== "wait") return undefined;
    const now = clock.now();
    const known = store.view((view) => applicantOf(view, { spki, now }));
    const waits = known !== undefined ||
      await store.update((tx) => this.#enqueue(tx, decide(tx), request));
    return waits ? issuance.pending(nodeId, now) : undefined;
  }

  /** @returns false when it need not wait any more */
  #enqueue(
    tx: Transaction,
    decision: RecoveryDecision,
    { peer, by: address, spkiHash: spki }: RecoverRequest & ProvenKey,
  ): boolean {
    if (decision.kind !== "wait") return false;
    const at = this.#parts.clock.now();
    if (applicantOf(tx, { spki, now: at })) return true;
    const { reason, why } = decision;
    const { id: nodeId, role, description } = mustNode(tx, peer.nodeId);
    enqueueRecovery(tx, {
      ...{ spki, nodeId, role, kind: "recover", address, reason, why, at },
      ...(description && { description }),
    });
    return true;
  }

  #decide(
    view: View,
    { peer, spkiHash: spki }: RecoverRequest & ProvenKey,
  ): RecoveryDecision {
    const { issuance } = this.#parts;
    const node = view.get("node", peer.nodeId);
    const circumstances = issuance.circumstances(view, node);
    const { now } = circumstances;
    const applicant = applicantOf(view, { spki, now });
    const holder = issuance.holderOf(spki) ??
      view.get("redemption", spki)?.nodeId;
    return decideRecovery({
      ...circumstances,
      ...{ peer, spki },
      ...(node && { node }),
      ...(applicant && { applicant }),
      ...(holder !== undefined && { holder }),
    });
  }
}

/** It was decided otherwise while its certificate was signed. */
function mustNotWait(decision: RecoveryDecision): IssuanceDecision {
  if (decision.kind !== "wait") return decision;
  return { kind: "refuse", code: "too-busy", why: decision.why };
}
