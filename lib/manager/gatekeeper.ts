import type { Bytes } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { Clock } from "../base/time.ts";
import { judgePeer, type Peer } from "../cluster/admission.ts";
import type { Store } from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import { type ChainVerdict, verifyChain } from "../pki/chain.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import { mustCluster } from "./records.ts";

/** Most certificates that a peer may present. */
const MAX_PRESENTED = 6;
/** Verdicts kept; the oldest goes first. A verdict takes about 2 KB. */
const MAX_VERDICTS = 4_096;

/** What the gatekeeper works with. */
export interface GatekeeperParts {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** The certificates that leaves must chain to, now. */
  anchors(): readonly Certificate[];
  /** The cluster's own cross-signed certificates, to complete paths. */
  intermediates(): readonly Certificate[];
}

interface Known {
  readonly leaf: Certificate;
  readonly verdict: ChainVerdict & { readonly ok: true };
  readonly anchors: readonly Certificate[];
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
  /** Good verdicts by hash of what was presented; valid for one anchor set. */
  readonly #verdicts = new Map<string, Known>();

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
      const { leaf, verdict } = await this.#verify(presented);
      return this.#judge(leaf, verdict);
    } catch (error) {
      return refused(error instanceof Error ? error.message : String(error));
    }
  }

  #judge(leaf: Certificate, chain: ChainVerdict): Peer {
    const now = this.#parts.clock.now();
    return this.#parts.store.view((view) => {
      const node = view.get("node", leaf.subject.commonName ?? "");
      const clusterId = mustCluster(view).id;
      return judgePeer({ leaf, chain, clusterId, now, ...(node && { node }) });
    });
  }

  async #verify(
    presented: readonly Bytes[],
  ): Promise<{ leaf: Certificate; verdict: ChainVerdict }> {
    const { crypto, clock } = this.#parts;
    const key = await this.#keyOf(presented);
    const anchors = this.#parts.anchors();
    const known = this.#verdicts.get(key);
    if (
      known && known.anchors === anchors &&
      clock.now() < known.verdict.validUntil &&
      clock.now() >= known.leaf.notBefore
    ) return known;
    const certificates = await Promise.all(
      presented.map((der) => readCertificate(crypto, der)),
    );
    const verdict = await verifyChain(crypto, {
      presented: certificates,
      anchors,
      intermediates: this.#parts.intermediates(),
      usage: "clientAuth",
      at: clock.now(),
    });
    const leaf = certificates[0];
    if (!leaf) throw new TypeError("Cannot verify an empty chain");
    if (verdict.ok) this.#remember(key, { leaf, verdict, anchors });
    return { leaf, verdict };
  }

  async #keyOf(presented: readonly Bytes[]): Promise<string> {
    const { crypto } = this.#parts;
    const hashes = await Promise.all(
      presented.map((der) => crypto.sha256(der)),
    );
    return hashes.map(toHex).join();
  }

  #remember(key: string, known: Known): void {
    this.#verdicts.set(key, known);
    if (this.#verdicts.size <= MAX_VERDICTS) return;
    const [oldest] = this.#verdicts.keys();
    if (oldest !== undefined) this.#verdicts.delete(oldest);
  }
}

function refused(why: string): Peer {
  const message = `certificate not readable: ${why}`;
  return { kind: "refused", code: "unverified-chain", message };
}
