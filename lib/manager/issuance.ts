import { type Bytes, toBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { newId, type Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
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
import {
  CLUSTER,
  type Store,
  type Transaction,
  type View,
} from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import { readCsr } from "../pki/csr.ts";
import {
  checkLeaf,
  LEAF_BACKDATE,
  type LeafProfile,
  newSerial,
} from "../pki/profile.ts";
import type { Signer } from "../pki/signer.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { spkiHash } from "./bootstrap.ts";
import { KeyHolders } from "./key_holders.ts";

/** What issuance works with. */
export interface IssuanceParts {
  readonly store: Store;
  readonly signer: Signer;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Names and addresses that managers' certificates carry besides their own. */
  readonly managerNames: {
    readonly dnsNames: readonly string[];
    readonly ipAddresses: readonly string[];
  };
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

/** One pass from a decision to a committed record. */
interface Order {
  readonly csr: Bytes;
  readonly spki: Bytes;
  readonly spkiHash: string;
  readonly by: string;
  decide(view: View): IssuanceDecision;
  /** The record to put the certificate into. */
  record(view: View, decision: Issue, nodeId: string): NodeRecord;
  /** What else the transaction writes. */
  settle?(transaction: Transaction, node: NodeRecord): void;
}

type Issue = Extract<IssuanceDecision, { kind: "issue" }>;

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
    const { spki, hash } = await this.#readKey(request.csr);
    const { csr, tokenId, by, description } = request;
    return await this.#onceAtATime(hash, () =>
      this.#fulfil({
        csr,
        spki,
        spkiHash: hash,
        by,
        decide: (view) => this.#decideJoin(view, tokenId, hash),
        record: (view, decision, nodeId) =>
          view.get("node", nodeId) ??
            this.#newNode(decision, { nodeId, tokenId, description }),
        settle: (tx, node) => {
          const { id: nodeId, role, createdAt: at } = node;
          tx.put("redemption", hash, { spki: hash, tokenId, role, nodeId, at });
        },
      }));
  }

  /** @throws {SwarmdError} `csr-refused`, or a {@linkcode Refusal} */
  async renew(request: RenewRequest): Promise<IssuedResult> {
    const { spki, hash } = await this.#readKey(request.csr);
    const { csr, by, nodeId } = request;
    return await this.#onceAtATime(hash, () =>
      this.#fulfil({
        csr,
        spki,
        spkiHash: hash,
        by,
        decide: (view) => this.#decideRenewal(view, request, hash),
        record: (view) => mustNode(view, nodeId),
      }));
  }

  async #readKey(csr: Bytes): Promise<{ spki: Bytes; hash: string }> {
    const { spki } = await readCsr(this.#parts.crypto, csr);
    return { spki, hash: await spkiHash(this.#parts.crypto, spki) };
  }

  /** A second request for a key in flight waits; then it finds what is stored. */
  async #onceAtATime<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#inFlight.get(key) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(work);
    this.#inFlight.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#inFlight.get(key) === mine) this.#inFlight.delete(key);
    }
  }

  async #fulfil(order: Order): Promise<IssuedResult> {
    const { store } = this.#parts;
    const first = store.view((view) => order.decide(view));
    if (first.kind === "refuse") throw refusal(first);
    if (first.kind === "stored") return this.#result(first.certificate, order);
    const nodeId = first.nodeId ?? newId(this.#parts.random);
    const issued = await this.#sign(order, first, nodeId);
    const kept = await store.update((tx) =>
      this.#commit(tx, order, { nodeId, issued })
    );
    this.#issued++;
    return this.#result(kept, order);
  }

  async #sign(
    order: Order,
    decision: Issue,
    nodeId: string,
  ): Promise<CertificateRecord> {
    const { signer, crypto, clock } = this.#parts;
    const profile = this.#profile(decision, { nodeId, spki: order.spki });
    const der = await signer.issue(profile, order.csr);
    const leaf = await readCertificate(crypto, der);
    const wrong = checkLeaf(leaf, { ...profile, roles: [profile.role] });
    if (wrong.length > 0) {
      throw new SwarmdError(
        "signer-unavailable",
        `Cannot use what the authority signed: ${wrong.join("; ")}`,
      );
    }
    const chain = [leaf, ...signer.intermediates];
    const issuedAt = Math.min(clock.now(), profile.notAfter);
    return toRecord(leaf, {
      chain,
      issuedAt,
      spki: order.spkiHash,
      issuerKeyId: this.#issuerKeyId(),
      role: decision.role,
    });
  }

  #profile(
    decision: Issue,
    subject: { readonly nodeId: string; readonly spki: Bytes },
  ): LeafProfile {
    const { clock, random, signer, store, managerNames } = this.#parts;
    const cluster = store.view(mustCluster);
    // Certificates count whole seconds (RFC 5280 §4.1.2.5).
    const now = Math.floor(clock.now() / 1_000) * 1_000;
    const life = Math.floor(cluster.leafLifeMs / 1_000) * 1_000;
    const names = decision.role === "manager"
      ? managerNames
      : { dnsNames: [], ipAddresses: [] };
    return {
      clusterId: cluster.id,
      role: decision.role,
      ...subject,
      ...names,
      serial: newSerial(random),
      notBefore: now - LEAF_BACKDATE,
      notAfter: Math.min(now + life, signer.issuer.notAfter),
    };
  }

  /** Decides again, on the state inside the transaction, and records. */
  #commit(
    tx: Transaction,
    order: Order,
    made: { readonly nodeId: string; readonly issued: CertificateRecord },
  ): CertificateRecord {
    const decision = order.decide(tx);
    if (decision.kind === "refuse") throw refusal(decision);
    if (decision.kind === "stored") return decision.certificate;
    if (decision.role !== made.issued.role) {
      throw new SwarmdError("too-busy", "Cannot issue: the role just changed");
    }
    const nodeId = decision.nodeId ?? made.nodeId;
    const node = withPending(order.record(tx, decision, nodeId), made.issued);
    tx.put("node", nodeId, node);
    order.settle?.(tx, node);
    const { serial, fingerprint, issuedAt: at } = made.issued;
    audit(tx, {
      at,
      action: "issued",
      node: nodeId,
      by: order.by,
      serial,
      fingerprint,
    });
    return made.issued;
  }

  #decideJoin(view: View, tokenId: string, spki: string): IssuanceDecision {
    const redemption = view.get("redemption", spki);
    const node = redemption && view.get("node", redemption.nodeId);
    return decideJoin({
      cluster: mustCluster(view),
      tokenId,
      issuerKeyId: this.#issuerKeyId(),
      now: this.#parts.clock.now(),
      ...(redemption && { redemption }),
      ...(node && { node }),
    });
  }

  #decideRenewal(
    view: View,
    request: RenewRequest,
    spki: string,
  ): IssuanceDecision {
    const node = view.get("node", request.nodeId);
    const now = this.#parts.clock.now();
    const { fingerprint } = request;
    if (node && fingerprint && !startsCalls(node, fingerprint, now)) {
      return {
        kind: "refuse",
        code: "replaced",
        why: "the caller's certificate was replaced",
      };
    }
    const holder = this.#holders.holderOf(spki) ??
      view.get("redemption", spki)?.nodeId;
    return decideRenewal({
      cluster: mustCluster(view),
      spki,
      issuerKeyId: this.#issuerKeyId(),
      now,
      ...(node && { node }),
      ...(holder !== undefined && { holder }),
    });
  }

  #newNode(
    decision: Issue,
    about: {
      readonly nodeId: string;
      readonly tokenId: string;
      readonly description: NodeDescription;
    },
  ): NodeRecord {
    return {
      id: about.nodeId,
      role: decision.role,
      admission: "active",
      createdAt: this.#parts.clock.now(),
      tokenId: about.tokenId,
      certificates: {},
      description: about.description,
    };
  }

  #issuerKeyId(): string {
    return this.#parts.signer.issuer.subjectKeyId ?? "";
  }

  #result(certificate: CertificateRecord, order: Order): IssuedResult {
    const { store, clock, logger } = this.#parts;
    const { cluster, node } = store.view((view) => ({
      cluster: mustCluster(view).id,
      node: this.#holders.holderOf(order.spkiHash) ?? "",
    }));
    const { chain = [], role, issuedAt, serial } = certificate;
    logger.info("Certificate issued", { node, serial, role, by: order.by });
    return {
      node,
      cluster,
      role,
      chain: [...chain],
      issuedAt,
      now: clock.now(),
    };
  }
}

function startsCalls(
  node: NodeRecord,
  fingerprint: string,
  now: number,
): boolean {
  const known = acceptedAs(node, fingerprint, now);
  return known === "current" || known === "pending";
}

function toRecord(
  leaf: Certificate,
  rest:
    & Pick<
      CertificateRecord,
      "issuedAt" | "spki" | "issuerKeyId" | "role"
    >
    & { readonly chain: readonly Certificate[] },
): CertificateRecord {
  const { chain, ...facts } = rest;
  return {
    ...facts,
    fingerprint: leaf.fingerprint,
    serial: leaf.serial,
    issuer: leaf.issuer.commonName ?? "",
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    chain: chain.map((certificate) => toBase64(certificate.der)),
  };
}

/** The one cluster record. @throws {SwarmdError} `not-initialised` */
export function mustCluster(view: View): ClusterRecord {
  const cluster = view.get("cluster", CLUSTER);
  if (cluster) return cluster;
  throw new SwarmdError("not-initialised", "The store holds no cluster");
}

function mustNode(view: View, id: string): NodeRecord {
  const node = view.get("node", id);
  if (node) return node;
  throw refusal({
    code: "unknown-node",
    why: `node ${id} is not in the store`,
  });
}

function refusal(
  decision: { readonly code: Refusal; readonly why: string },
): SwarmdError {
  const verdict = decision.code === "unknown-node" ? "rejoin" : "stop";
  return new SwarmdError(
    decision.code,
    `Cannot issue a certificate: ${decision.why}`,
    { verdict },
  );
}
