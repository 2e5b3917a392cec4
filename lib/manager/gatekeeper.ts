import type { Bytes } from "../base/bytes.ts";
import type { Clock } from "../base/time.ts";
import {
  type AdmissionCase,
  isRecorded,
  judgeClaim,
  judgePeer,
  type Peer,
} from "../cluster/admission.ts";
import type { Store } from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import {
  type ChainReason,
  type ChainVerdict,
  verifyChain,
} from "../pki/chain.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import type { Authorities } from "./authorities.ts";
import { mustCluster } from "./records.ts";

/** Most certificates that a peer may present. */
const MAX_PRESENTED = 4;

/** Of chains that may lead to another root than those of now. */
const ELSEWHERE: ReadonlySet<ChainReason> = new Set([
  "untrusted",
  "bad-signature",
]);

/** What the gatekeeper works with. */
export interface GatekeeperParts {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly authorities: Pick<Authorities, "anchors">;
}

/**
 * Says who a connection's peer is: reads the chain that it really presented,
 * verifies it against the current anchors, and lets `judgePeer` decide.
 *
 * Nothing of the TLS library's own opinion is used (T1: a resumed session is
 * called authorized whatever the certificate was).
 */
export class Gatekeeper {
  readonly #parts: GatekeeperParts;

  constructor(parts: GatekeeperParts) {
    this.#parts = parts;
  }

  /** Who the peer is now. Malformed certificates are a refusal. */
  async identify(facts: PeerFacts): Promise<Peer> {
    const { presented } = facts;
    if (presented.length === 0) return { kind: "anonymous" };
    if (presented.length > MAX_PRESENTED) {
      return refused(`${presented.length} certificates, want ${MAX_PRESENTED}`);
    }
    try {
      return await this.#judge(presented);
    } catch (error) {
      return refused(error instanceof Error ? error.message : String(error));
    }
  }

  async #judge(presented: readonly Bytes[]): Promise<Peer> {
    const { crypto, clock } = this.#parts;
    const [leaf, ...others] = await Promise.all(
      presented.map((der) => readCertificate(crypto, der)),
    );
    if (!leaf) return { kind: "anonymous" };
    const claim = judgeClaim(leaf, this.#known(leaf));
    if (claim) return claim;
    const presentedChain = [leaf, ...others];
    const chain = await this.#verify(presentedChain);
    const dropped = await this.#verifyDropped(presentedChain, chain);
    return judgePeer({
      ...{ leaf, chain, now: clock.now() },
      ...(dropped && { dropped }),
      ...this.#known(leaf),
    });
  }

  /** Whether a root that was replaced vouches for what the record does not know. */
  async #verifyDropped(
    presented: readonly Certificate[],
    chain: ChainVerdict,
  ): Promise<ChainVerdict | undefined> {
    const { crypto, clock, authorities: { anchors } } = this.#parts;
    const [leaf] = presented;
    if (chain.ok || !ELSEWHERE.has(chain.reason) || !leaf) return undefined;
    const { node } = this.#known(leaf);
    if (anchors.dropped.length === 0) return undefined;
    if (!node || isRecorded(node, leaf)) return undefined;
    return await verifyChain(crypto, {
      presented,
      anchors: anchors.dropped,
      intermediates: anchors.intermediates,
      usage: "clientAuth",
      at: clock.now(),
    });
  }

  /** What the store knows of whom a leaf names, now. */
  #known(
    leaf: Certificate,
  ): Pick<AdmissionCase, "clusterId" | "compromised" | "node" | "removed"> {
    return this.#parts.store.view((view) => {
      const nodeId = leaf.subject.commonName ?? "";
      const node = view.get("node", nodeId);
      const removed = view.get("removed", nodeId);
      const { id: clusterId, compromised = [] } = mustCluster(view);
      return {
        clusterId,
        compromised,
        ...(node && { node }),
        ...(removed && { removed }),
      };
    });
  }

  async #verify(presented: readonly Certificate[]): Promise<ChainVerdict> {
    const { crypto, clock, authorities: { anchors } } = this.#parts;
    return await verifyChain(crypto, {
      presented,
      anchors: anchors.roots,
      intermediates: anchors.intermediates,
      usage: "clientAuth",
      at: clock.now(),
    });
  }
}

function refused(why: string): Peer {
  const message = `certificate not readable: ${why}`;
  return { kind: "refused", code: "unverified-chain", message };
}
