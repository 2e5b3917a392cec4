import type { Bytes } from "../base/bytes.ts";
import { SwarmdError, type Verdict } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { newId, type Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import {
  decideJoin,
  decideRenewal,
  type IssuanceDecision,
  type Refusal,
} from "../cluster/issuance.ts";
import {
  acceptedAs,
  type CertificateRecord,
  type NodeDescription,
  type NodeRecord,
  withPending,
} from "../cluster/node.ts";
import type { Store, Transaction, View } from "../cluster/store.ts";
import type { Crypto } from "../pki/crypto.ts";
import { readCsr } from "../pki/csr.ts";
import type { Signer } from "../pki/signer.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { spkiHash } from "./bootstrap.ts";
import { KeyHolders } from "./key_holders.ts";
import { mustCluster, mustNode } from "./records.ts";
import { type ManagerNames, signLeaf } from "./sign_leaf.ts";

/** What issuance works with. */
export interface IssuanceParts {
  readonly store: Store;
  readonly signer: Signer;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly managerNames: ManagerNames;
}

/** A join whose token was proved valid. */
export interface JoinRequest {
  readonly csr: Bytes;
  readonly tokenId: string;
  readonly description: NodeDescription;
  /** Address of the caller, for the audit log. */
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

/** A request whose key was read and proved. */
interface Order {
  readonly csr: Bytes;
  readonly spki: Bytes;
  readonly spkiHash: string;
  readonly by: string;
  decide(view: View): IssuanceDecision;
  /** Puts the certificate into the node's record, making that where needed. */
  record(tx: Transaction, made: Made): void;
}

interface Made {
  readonly nodeId: string;
  readonly issued: CertificateRecord;
}

/**
 * Turns requests into certificates: decide, sign, then decide again inside the
 * transaction that makes it known. What is not in the record is not accepted,
 * so a certificate that loses the race at the end is worth nothing.
 */
export class Issuance {
  readonly #parts: IssuanceParts;
  readonly #holders: KeyHolders;
  /** One signature per key at a time. */
  readonly #inFlight = new Map<string, Promise<unknown>>();
  #issued = 0;

  constructor(parts: IssuanceParts) {
    this.#parts = parts;
    this.#holders = new KeyHolders(parts.store);
  }

  /** Certificates issued since this process started. */
  get issued(): number {
    return this.#issued;
  }

  close(): void {
    this.#holders.close();
  }

  /** @throws {SwarmdError} `csr-refused`, or a {@linkcode Refusal} */
  async join(request: JoinRequest): Promise<IssuedResult> {
    const { csr, by } = request;
    const key = await this.#readKey(csr);
    return await this.#fulfil({
      ...key,
      csr,
      by,
      decide: (view) => this.#decideJoin(view, { ...request, ...key }),
      record: (tx, made) => {
        const node = tx.get("node", made.nodeId) ??
          this.#newNode(request, made);
        tx.put("node", node.id, withPending(node, made.issued));
        tx.put("redemption", key.spkiHash, {
          spki: key.spkiHash,
          tokenId: request.tokenId,
          role: node.role,
          nodeId: node.id,
          at: node.createdAt,
        });
      },
    });
  }

  /** @throws {SwarmdError} `csr-refused`, or a {@linkcode Refusal} */
  async renew(request: RenewRequest): Promise<IssuedResult> {
    const { csr, by } = request;
    const key = await this.#readKey(csr);
    return await this.#fulfil({
      ...key,
      csr,
      by,
      decide: (view) => this.#decideRenewal(view, { ...request, ...key }),
      record: (tx, { nodeId, issued }) => {
        tx.put("node", nodeId, withPending(mustNode(tx, nodeId), issued));
      },
    });
  }

  async #readKey(csr: Bytes): Promise<Pick<Order, "spki" | "spkiHash">> {
    const { crypto } = this.#parts;
    const { spki } = await readCsr(crypto, csr);
    return { spki, spkiHash: await spkiHash(crypto, spki) };
  }

  /** A second request for a key in flight waits; then it finds what is stored. */
  async #fulfil(order: Order): Promise<IssuedResult> {
    const key = order.spkiHash;
    const before = this.#inFlight.get(key) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(() => this.#decideAndSign(order));
    this.#inFlight.set(key, mine);
    try {
      return this.#result(await mine, order);
    } finally {
      if (this.#inFlight.get(key) === mine) this.#inFlight.delete(key);
    }
  }

  async #decideAndSign(order: Order): Promise<Made> {
    const { store } = this.#parts;
    const decision = store.view((view) => order.decide(view));
    if (decision.kind === "refuse") throw refusal(decision);
    if (decision.kind === "stored") return this.#stored(decision.certificate);
    const { role } = decision;
    const nodeId = decision.nodeId ?? newId(this.#parts.random);
    const issued = await signLeaf(this.#parts, { ...order, role, nodeId });
    const made = { nodeId, issued };
    const kept = await store.update((tx) => this.#commit(tx, { order, made }));
    if (kept === made) this.#issued++;
    return kept;
  }

  /** Decides again, on the state inside the transaction, and records. */
  #commit(
    tx: Transaction,
    { order, made }: { readonly order: Order; readonly made: Made },
  ): Made {
    const decision = order.decide(tx);
    if (decision.kind === "refuse") throw refusal(decision);
    if (decision.kind === "stored") return this.#stored(decision.certificate);
    const { role, nodeId = made.nodeId } = decision;
    if (role !== made.issued.role || nodeId !== made.nodeId) {
      throw new SwarmdError("too-busy", "Cannot issue: the node just changed");
    }
    order.record(tx, made);
    const { serial, fingerprint, issuedAt: at } = made.issued;
    const { nodeId: node } = made;
    const entry = { at, action: "issued", node, by: order.by } as const;
    audit(tx, { ...entry, serial, fingerprint });
    return made;
  }

  #stored(issued: CertificateRecord): Made {
    const nodeId = this.#holders.holderOf(issued.spki);
    if (nodeId !== undefined) return { nodeId, issued };
    throw new TypeError("A stored certificate without a node"); // unreachable
  }

  #decideJoin(
    view: View,
    request: Pick<JoinRequest, "tokenId"> & Pick<Order, "spkiHash">,
  ): IssuanceDecision {
    const redemption = view.get("redemption", request.spkiHash);
    const node = redemption && view.get("node", redemption.nodeId);
    const holder = this.#holders.holderOf(request.spkiHash);
    return decideJoin({
      ...this.#circumstances(view),
      tokenId: request.tokenId,
      ...(redemption && { redemption }),
      ...(node && { node }),
      ...(holder !== undefined && { holder }),
    });
  }

  #decideRenewal(
    view: View,
    request: RenewRequest & Pick<Order, "spkiHash">,
  ): IssuanceDecision {
    const { nodeId, fingerprint, spkiHash: spki } = request;
    const circumstances = this.#circumstances(view);
    const { now } = circumstances;
    const node = view.get("node", nodeId);
    if (node && fingerprint !== undefined) {
      const known = acceptedAs(node, { fingerprint, now });
      if (known !== "current" && known !== "pending") return REPLACED;
    }
    const holder = this.#holders.holderOf(spki) ??
      view.get("redemption", spki)?.nodeId;
    return decideRenewal({
      ...circumstances,
      spki,
      ...(node && { node }),
      ...(holder !== undefined && { holder }),
      limited: fingerprint !== undefined,
    });
  }

  #circumstances(view: View) {
    const { signer, clock } = this.#parts;
    const { subjectKeyId: issuerKeyId = "", notAfter: issuerEnds } =
      signer.issuer;
    const cluster = mustCluster(view);
    return { cluster, issuerKeyId, issuerEnds, now: clock.now() };
  }

  #newNode(request: JoinRequest, { nodeId, issued }: Made): NodeRecord {
    const { tokenId, description } = request;
    const createdAt = this.#parts.clock.now();
    return {
      id: nodeId,
      role: issued.role,
      admission: "active",
      createdAt,
      tokenId,
      certificates: {},
      description,
    };
  }

  #result({ nodeId: node, issued }: Made, { by }: Order): IssuedResult {
    const { store, clock, logger } = this.#parts;
    const { chain = [], role, issuedAt, serial } = issued;
    logger.info("Certificate issued", { node, serial, role, by });
    const { id: cluster } = store.view(mustCluster);
    const now = clock.now();
    return { node, cluster, role, chain: [...chain], issuedAt, now };
  }
}

const REPLACED: IssuanceDecision = {
  kind: "refuse",
  code: "replaced",
  why: "the caller's certificate was replaced",
};

/** Of refusals that another try, or another join, can change. */
const VERDICTS: Readonly<Partial<Record<Refusal, Verdict>>> = {
  "unknown-node": "rejoin",
  "too-busy": "retry",
  "issuer-ending": "retry",
  "replaced": "retry",
  "suspended": "retry",
  "conflict": "retry",
};

function refusal(
  decision: { readonly code: Refusal; readonly why: string },
): SwarmdError {
  const verdict = VERDICTS[decision.code] ?? "stop";
  return new SwarmdError(
    decision.code,
    `Cannot issue a certificate: ${decision.why}`,
    { verdict },
  );
}
