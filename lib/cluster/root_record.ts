import type { SealedValue } from "../pki/sealed.ts";

/** What is known of a root certificate without reading it again. */
export interface RootFacts {
  /** As join tokens pin it: `sha256:` and hex. */
  readonly digest: string;
  /** Subject key id, lower-case hex: what leaves name as their issuer. */
  readonly keyId: string;
  /** Digest of the trust bundle that holds this root alone. */
  readonly bundle: string;
  /** Its end, in milliseconds since 1970. */
  readonly notAfter: number;
  /** Who trusts it alone takes no other root on a manager's word. */
  readonly own?: true;
}

/**
 * A root certificate of the cluster, and who signs with its key: this cluster,
 * or authorities elsewhere.
 */
export interface RootRecord {
  /** Starts at 1 and only grows. */
  readonly generation: number;
  /** DER, base64. */
  readonly certificate: string;
  /** PKCS#8 under the cluster key; absent when it is not here. */
  readonly key?: SealedValue;
  /** Who signs when the key is not here, in the order of trying. */
  readonly external?: readonly ExternalRecord[];
  /**
   * Sent after leaves for who trusts only the top of an imported chain, DER in
   * base64. Absent: none.
   */
  readonly intermediates?: readonly string[];
  /** Absent until a rotation needs them. */
  readonly facts?: RootFacts;
}

/** An authority that signs elsewhere. */
export interface ExternalRecord {
  readonly protocol: "cfssl";
  /** Where its API begins. */
  readonly url: string;
  /** Its signing profile; absent: its default. */
  readonly profile?: string;
  /** PEM of the roots of its HTTPS server; empty for HTTP. */
  readonly rootsPem: string;
  /** What authenticates requests, under the cluster key. */
  readonly authKey?: SealedValue;
  /** What is shown to its HTTPS server. */
  readonly identity?: {
    readonly chainPem: string;
    /** PEM under the cluster key. */
    readonly key: SealedValue;
  };
}

/**
 * A root that a rotation leads to. Nobody signs for it once everybody returns:
 * key and authorities are gone with the record.
 */
export interface TargetRoot extends RootRecord {
  readonly facts: RootFacts;
}

/** Whether anybody can sign for a root. */
export function hasSigner({ key, external }: RootRecord): boolean {
  return key !== undefined || external !== undefined;
}

/**
 * Where a rotation stands. Two are of a trust-first rotation alone: in
 * `switching` the managers, and they only, have still to renew; aborted there, it
 * is `recalling`: who joined meanwhile has first to trust the present root again.
 */
export type RotationPhase =
  | "renewing"
  | "trusting"
  | "switching"
  | "recalling"
  | "returning";

/** A certificate of a root that another root signed. */
export interface CrossSigned {
  /** DER, base64. */
  readonly certificate: string;
  /** Its end, in milliseconds since 1970. */
  readonly notAfter: number;
}

/** A rotation under way. */
export interface RotationRecord {
  /** Who acts on a rotation names it: a late step must not hit the next one. */
  readonly id: string;
  readonly phase: RotationPhase;
  readonly target: TargetRoot;
  /** The target signed by the present root; absent with `trustFirst`. */
  readonly cross?: CrossSigned;
  /**
   * The same for the succession: of a longer life, and marked as a successor.
   * Nobody gets it before the rotation ends well.
   */
  readonly successor?: CrossSigned;
  /**
   * The present root signed by the target, from `recalling` on: who pinned a
   * target of our own takes no other root on a manager's word. Absent where
   * nobody needs it.
   */
  readonly crossBack?: CrossSigned;
  /** Digest of the trust bundle that holds both roots. */
  readonly both: string;
  /** Wall clock of its begin, in milliseconds. */
  readonly startedAt: number;
  /** When the present phase began; absent: as the rotation. In milliseconds. */
  readonly phaseAt?: number;
  /** From then on the quorum is enough, in milliseconds. */
  readonly deadline: number;
  /** Share of the nodes, 0 to 1, all managers being done anyway. */
  readonly quorum: number;
  /** The present root cannot vouch for the target. */
  readonly trustFirst?: boolean;
  /** When the operator told it to end without stragglers, in milliseconds. */
  readonly finishAt?: number;
}

/** A step from one root of the cluster to the next. */
export interface SuccessionLink {
  readonly from: number;
  readonly to: number;
  /** Digest of the root `from`. */
  readonly digest: string;
  /** The root `from`, DER in base64. */
  readonly certificate: string;
  /** The root `to`, DER in base64. */
  readonly root: string;
  /** The root `to`, signed by `from`, DER in base64. */
  readonly cross: string;
  /** Wall clock, in milliseconds; afterwards nobody needs it any more. */
  readonly until: number;
}

/** A root that was replaced, while join tokens that pin it still work. */
export interface RootGrace {
  readonly digest: string;
  /** DER, base64. */
  readonly certificate: string;
  /** Its successor, signed by it: who serves goes on showing it. */
  readonly cross: CrossSigned;
  /** End of the grace, in milliseconds. */
  readonly until: number;
}

/** A node that a rotation waits for, or ended without. */
export interface Straggler {
  readonly node: string;
  /** In plain words. */
  readonly reason: string;
}

/**
 * How a rotation ended. `replaced`: by the one that began next, or by a root
 * that took the place of one that was compromised.
 */
export type RotationOutcome = "finished" | "aborted" | "replaced";

/** A rotation that is over. */
export interface EndedRotation {
  readonly id: string;
  readonly outcome: RotationOutcome;
  /** Digest of the root that the cluster had then. */
  readonly root: string;
  /** Wall clock, in milliseconds. */
  readonly at: number;
}

/**
 * The rotation that ended last. It is kept so that whoever watched it learns
 * how it ended, also when he was away then, or the manager was.
 */
export interface LastRotation extends EndedRotation {
  /** Whom it ended without, at most 10,000. */
  readonly stragglers: readonly Straggler[];
  /** Stragglers that are not listed; absent: none. */
  readonly more?: number;
  /** Those that ended earlier, newest first. Absent: none. */
  readonly before?: readonly EndedRotation[];
}

/** What rotations leave in the cluster's record. */
export interface RootHistory {
  /** Highest generation ever given out. Absent: the root's. */
  readonly generation?: number;
  readonly rotation?: RotationRecord;
  /** Ascending. */
  readonly links?: readonly SuccessionLink[];
  /** Newest first. */
  readonly graces?: readonly RootGrace[];
  /** Of rotations that were aborted or replaced: leaves still lean on them. */
  readonly retired?: readonly CrossSigned[];
  /** The rotation that ended last, and those before it. */
  readonly lastRotation?: LastRotation;
  /** Key ids of roots that were cut off; nothing under them is good again. */
  readonly compromised?: readonly string[];
}
