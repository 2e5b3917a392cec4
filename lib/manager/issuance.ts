import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { newId, type Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import type { Applicant } from "../cluster/applicant.ts";
import { audit } from "../cluster/audit.ts";
import {
  decideJoin,
  decideRenewal,
  type IssuanceDecision,
  type JoinDecision,
} from "../cluster/issuance.ts";
import { recordIssued } from "../cluster/issued.ts";
import {
  acceptedAs,
  type CertificateRecord,
  type NodeRecord,
} from "../cluster/node.ts";
import type { Store, Transaction, View } from "../cluster/store.ts";
import { takeUse } from "../cluster/tokens.ts";
import { applicantOf, enqueue } from "../cluster/waiting.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { Role } from "../pki/profile.ts";
import type { Signer } from "../pki/signer.ts";
import { readCsr } from "../pki/csr.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import type { Authorities } from "./authorities.ts";
import { spkiHash } from "./bootstrap.ts";
import type { ClockGuard } from "./clock_guard.ts";
import type {
  JoinRequest,
  Made,
  Order,
  Outcome,
  ProvenKey,
  RenewRequest,
} from "./issuance_orders.ts";
import { KeyHolders } from "./key_holders.ts";
import { mustCluster, mustNode } from "./records.ts";
import {
  mustNotWait,
  notSigned,
  refusal,
  REPLACED,
} from "./issuance_refusal.ts";
import { type ManagerNames, signLeaf } from "./sign_leaf.ts";

/** What issuance works with. */
export interface IssuanceParts {
  readonly store: Store;
  readonly authorities: Pick<Authorities, "signerFor">;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly managerNames: ManagerNames;
  readonly clockGuard: Pick<ClockGuard, "refuse">;
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

  /**
   * Makes a node, or has it wait for an operator's word.
   *
   * @throws {SwarmdError} `csr-refused`, or a `Refusal`
   */
  async join(request: JoinRequest): Promise<Outcome> {
    const { csr, by, tokenId } = request;
    const key = await this.readKey(csr);
    const { spkiHash: spki } = key;
    const decide = (view: View) =>
      this.#decideJoin(view, { ...request, ...key });
    const applicant = await this.#wait(decide, { ...request, spki });
    if (applicant) return { applicant };
    return await this.fulfil({
      ...key,
      csr,
      by,
      why: `token ${tokenId}`,
      decide: (view) => mustNotWait(decide(view)),
      record: (tx, made) => this.#recordJoin(tx, { ...request, spki, made }),
    });
  }

  /** Has a joiner wait, if that is decided; it is written once. */
  async #wait(
    decide: (view: View) => JoinDecision,
    request: JoinRequest & { readonly spki: string },
  ): Promise<Applicant | undefined> {
    const { store, clock, random } = this.#parts;
    if (store.view(decide).kind !== "wait") return undefined;
    const { spki, tokenId, description, by: address } = request;
    const now = clock.now();
    const known = store.view((view) => applicantOf(view, { spki, now }));
    if (known) return known;
    const nodeId = newId(random);
    const why = "joiners wait for approval here";
    const asks = { spki, nodeId, kind: "join", tokenId, why } as const;
    return await store.update((tx) => {
      const decision = decide(tx);
      if (decision.kind !== "wait") return undefined;
      const present = applicantOf(tx, { spki, now });
      if (present) return present;
      const { role } = decision;
      const applicant = { ...asks, role, description, address, at: now };
      enqueue(tx, applicant);
      return applicant;
    });
  }

  /** The use is counted, and the place in the queue given up, with the node. */
  #recordJoin(
    tx: Transaction,
    request: JoinRequest & { readonly spki: string; readonly made: Made },
  ): void {
    const { spki, tokenId, made } = request;
    const known = tx.get("node", made.nodeId);
    if (!known) takeUse(tx, tokenId);
    const approved = tx.get("applicant", spki)?.verdict === "accepted";
    const node = known ??
      { ...this.#newNode(request, made), ...(approved && { approved }) };
    recordIssued(tx, {
      node,
      issued: made.issued,
      now: this.#parts.clock.now(),
    });
    const { role, id: nodeId, createdAt: at } = node;
    tx.put("redemption", spki, { spki, tokenId, role, nodeId, at });
    tx.remove("applicant", spki);
  }

  /** @throws {SwarmdError} `csr-refused`, or a `Refusal` */
  async renew(request: RenewRequest): Promise<IssuedResult> {
    const { csr, by, fingerprint, nodeId: turn } = request;
    const own = fingerprint === undefined;
    const key = await this.readKey(csr, { own });
    return await this.fulfil({
      ...key,
      ...{ csr, by, turn },
      why: "renewal",
      decide: (view) => this.#decideRenewal(view, { ...request, ...key }),
      record: (tx, { nodeId, issued }) => {
        const node = mustNode(tx, nodeId);
        recordIssued(tx, { node, issued, now: this.#parts.clock.now() });
      },
    });
  }

  /**
   * Begins a request.
   *
   * @throws {SwarmdError} `csr-refused`; `too-busy` while the clock is in doubt
   */
  async readKey(csr: Bytes, { own } = { own: false }): Promise<ProvenKey> {
    const { crypto, clockGuard } = this.#parts;
    clockGuard.refuse({ own });
    const { spki } = await readCsr(crypto, csr);
    return { spki, spkiHash: await spkiHash(crypto, spki) };
  }

  /**
   * Carries out what is decided. A second request for a key in flight waits,
   * or for a node that renews; then it finds what is stored.
   *
   * @throws {SwarmdError} a `Refusal`
   */
  async fulfil(order: Order): Promise<IssuedResult> {
    const key = order.turn ?? order.spkiHash;
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
    const signer = store.view((view) => this.#signerFor(view, decision));
    const parts = { ...this.#parts, signer };
    const issued = await signLeaf(parts, { ...order, role, nodeId })
      .catch((error) => Promise.reject(notSigned(error)));
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
    const { issuer } = this.#signerFor(tx, decision);
    const same = role === made.issued.role && nodeId === made.nodeId &&
      issuer.subjectKeyId === made.issued.issuerKeyId;
    if (!same) {
      throw new SwarmdError("too-busy", "Cannot issue: the node just changed");
    }
    order.record(tx, made);
    const { serial, fingerprint, issuedAt: at } = made.issued;
    const { nodeId: node } = made;
    const { action = "issued", by, why } = order;
    const entry = { at, action, node, by } as const;
    audit(tx, { ...entry, serial, fingerprint, ...(why && { why }) });
    return made;
  }

  #stored(issued: CertificateRecord): Made {
    const nodeId = this.#holders.holderOf(issued.spki);
    if (nodeId !== undefined) return { nodeId, issued };
    throw new TypeError("A stored certificate without a node"); // unreachable
  }

  #decideJoin(
    view: View,
    { tokenId, spkiHash: spki, description: { hostname } }:
      & JoinRequest
      & Pick<Order, "spkiHash">,
  ): JoinDecision {
    const redemption = view.get("redemption", spki);
    const node = redemption && view.get("node", redemption.nodeId);
    const holder = this.#holders.holderOf(spki);
    const circumstances = this.circumstances(view, node);
    const created = view.get("token", tokenId);
    const applicant = applicantOf(view, { spki, now: circumstances.now });
    return decideJoin({
      ...circumstances,
      ...{ tokenId, hostname },
      ...(created && { created }),
      ...(applicant && { applicant }),
      ...(redemption && { redemption }),
      ...(node && { node }),
      ...(holder !== undefined && {
        holder,
        isHolderGone: view.get("removed", holder) !== undefined,
      }),
    });
  }

  #decideRenewal(
    view: View,
    request: RenewRequest & Pick<Order, "spkiHash">,
  ): IssuanceDecision {
    const { nodeId, fingerprint, spkiHash: spki } = request;
    const node = view.get("node", nodeId);
    const circumstances = this.circumstances(view, node);
    const { now } = circumstances;
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

  /** Id of the node that holds a key, by the hash of it. */
  holderOf(spki: string): string | undefined {
    return this.#holders.holderOf(spki);
  }

  /** What a decision looks at besides the node itself. */
  circumstances(view: View, node?: NodeRecord) {
    const role = node?.role ?? "worker";
    const { issuer } = this.#signerFor(view, { role, nodeId: node?.id });
    const { subjectKeyId: issuerKeyId = "", notAfter: issuerEnds } = issuer;
    const cluster = mustCluster(view);
    const now = this.#parts.clock.now();
    return { cluster, issuerKeyId, issuerEnds, now };
  }

  /** Who signs is a matter of the rotation's phase, and of what the node trusts. */
  #signerFor(
    view: View,
    { role, nodeId }: {
      readonly role: Role;
      readonly nodeId?: string | undefined;
    },
  ): Signer {
    const { authorities, clock } = this.#parts;
    const trusts = view.get("node", nodeId ?? "")?.trusts;
    return authorities.signerFor({
      role,
      now: clock.now(),
      ...(trusts !== undefined && { trusts }),
    });
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
