import type { Bytes } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import type { LeafProfile } from "./profile.ts";

/**
 * Who signs the certificates of nodes: a key of our own, or an external
 * authority.
 *
 * `issue` may run many times at once. It resolves with a leaf, DER, for exactly
 * this profile, which the implementation has checked: an own key because it
 * wrote it, an external authority's answer with `checkLeaf` and against
 * `issuer`. A serial number or moments of its own are an external authority's
 * right; everything else is as the profile says. Nothing is taken from the
 * request but the proof that the key is held; an implementation that needs no
 * request ignores it.
 *
 * `issue` throws `SwarmdError`: `signer-unavailable` when there was no answer
 * or none that is good (worth another try), `csr-refused` when the authority
 * refused the request for good.
 */
export interface Signer {
  /** The certificate whose key signs, root or intermediate. */
  readonly issuer: Certificate;
  /** Sent after the leaf, in this order; never the root. */
  readonly intermediates: readonly Certificate[];
  /** No leaf may outlive this, in milliseconds. Default: the issuer's end. */
  readonly until?: number;
  /** Whether serial number and moments are its own; absent: as asked. */
  readonly choosesMoments?: boolean;
  /**
   * @param profile what the leaf says
   * @param csr a request, DER, that `readCsr` accepted, for `profile.spki`
   */
  issue(profile: LeafProfile, csr: Bytes): Promise<Bytes>;
}

/** How an authority elsewhere is. */
export interface AuthorityHealth {
  readonly url: string;
  /** Why it was of no use when it was last asked; absent when it was. */
  readonly fault?: string;
}

/** Has certificates signed by external authorities. */
export interface ExternalSigner extends Signer {
  /** Looks at all authorities at once, for as long as one request may last. */
  check(): Promise<readonly AuthorityHealth[]>;
  /** What is known of them. */
  health(): readonly AuthorityHealth[];
}
