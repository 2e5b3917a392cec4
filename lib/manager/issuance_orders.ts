import type { Bytes } from "../base/bytes.ts";
import type { Applicant } from "../cluster/applicant.ts";
import type { IssuanceDecision } from "../cluster/issuance.ts";
import type { CertificateRecord, NodeDescription } from "../cluster/node.ts";
import type { Transaction, View } from "../cluster/store.ts";
import type { IssuedResult } from "../rpc/schemas.ts";

/** A join whose token was proved valid. */
export interface JoinRequest {
  readonly csr: Bytes;
  readonly tokenId: string;
  readonly description: NodeDescription;
  /** Address of the caller, for the audit log and for who approves. */
  readonly by: string;
}

/** A renewal by a node that proved itself. */
export interface RenewRequest {
  readonly csr: Bytes;
  readonly nodeId: string;
  /** Certificate that the caller presents; absent for a manager's own. */
  readonly fingerprint?: string;
  readonly by: string;
}

/** A key whose possession a request proves. */
export interface ProvenKey {
  readonly spki: Bytes;
  /** SHA-256 of it, lower-case hex. */
  readonly spkiHash: string;
}

/** A request whose key was read and proved. */
export interface Order extends ProvenKey {
  readonly csr: Bytes;
  readonly by: string;
  /**
   * Orders of one turn are carried out one after the other: what was signed for
   * nothing costs as much. Default: the key's.
   */
  readonly turn?: string;
  /** What it is in the audit log. Default: `issued`. */
  readonly action?: "recovered";
  /** What entitles to it, for the audit log. */
  readonly why?: string;
  decide(view: View): IssuanceDecision;
  /** Puts the certificate into the node's record, making that where needed. */
  record(tx: Transaction, made: Made): void;
}

/** A certificate that was signed. */
export interface Made {
  readonly nodeId: string;
  readonly issued: CertificateRecord;
}

/** Nothing is issued yet: it is for an operator to decide. */
export interface Undecided {
  /** As which it is in the queue. */
  readonly applicant: Applicant;
}

/** What comes of a request of somebody who may have to wait. */
export type Outcome = IssuedResult | Undecided;
