import { SwarmdError } from "../base/errors.ts";
import { newId } from "../base/random.ts";
import { HOUR, SECOND } from "../base/time.ts";
import { crossSign, crossSignProblem } from "../pki/cross_sign.ts";
import { readCertificate } from "../pki/certificate.ts";
import { createRoot } from "../pki/root.ts";
import { nextGeneration } from "../cluster/root_rotation.ts";
import type { RehearsalSummary } from "../cluster/local_api.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { readCsr } from "../pki/csr.ts";
import type { Signer } from "../pki/signer.ts";
import { fromBase64 } from "../base/bytes.ts";
import { spkiHash } from "./bootstrap.ts";
import { mustCluster, mustNode } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";
import { signLeaf } from "./sign_leaf.ts";

/** Nodes that rehearse at the same time. */
const IN_FLIGHT = 64;
/** For all of them, in milliseconds. */
const REHEARSAL_MS = 45 * SECOND;

interface Rehearsal {
  readonly id: string;
  readonly signer: Signer;
  readonly waiting: string[];
  readonly open: Set<string>;
  readonly served: Set<string>;
  readonly problems: Map<string, string>;
  readonly done: () => void;
}

/**
 * Has every connected node go through a renewal under a root that is thrown
 * away: nothing is recorded, so nothing that comes of it is ever accepted.
 */
export class RehearsalDesk {
  readonly #parts: RotationParts;
  #rehearsal: Rehearsal | undefined;
  #isBusy = false;

  constructor(parts: RotationParts) {
    this.#parts = parts;
  }

  /** @throws {SwarmdError} `too-busy` while another one is under way */
  async run(): Promise<RehearsalSummary> {
    if (this.#isBusy) {
      throw new SwarmdError("too-busy", "A rehearsal is under way");
    }
    this.#isBusy = true;
    try {
      return await this.#run();
    } finally {
      this.#isBusy = false;
    }
  }

  async #run(): Promise<RehearsalSummary> {
    const present = [...this.#parts.sessions]
      .filter(({ connection }) => connection)
      .map(({ nodeId }) => nodeId);
    const absent = this.#absent(new Set(present));
    const signer = await this.#throwAway();
    if (typeof signer === "string") {
      return { obstacle: signer, ready: 0, problems: [], absent };
    }
    return await this.#rehearse(signer, { present, absent });
  }

  /** A node asks for its certificate; it gets one that is worth nothing. */
  async serve(
    nodeId: string,
    asked: { readonly rehearsal: string; readonly csr: string },
  ): Promise<IssuedResult> {
    const { store, crypto, clock } = this.#parts;
    const rehearsal = this.#mustBe(asked.rehearsal);
    const { signer } = rehearsal;
    // Each costs a signature: one for everybody who was asked, and no more.
    if (!rehearsal.open.has(nodeId) || rehearsal.served.has(nodeId)) {
      throw new SwarmdError("too-busy", "Nothing is to be rehearsed here now");
    }
    rehearsal.served.add(nodeId);
    const csr = fromBase64(asked.csr);
    const { spki } = await readCsr(crypto, csr);
    const { role } = store.view((view) => mustNode(view, nodeId));
    const managerNames = { dnsNames: [], ipAddresses: [] };
    const parts = { ...this.#parts, signer, managerNames };
    const { chain = [], issuedAt } = await signLeaf(parts, {
      ...{ nodeId, role, csr, spki },
      spkiHash: await spkiHash(crypto, spki),
    });
    const { id: cluster } = store.view(mustCluster);
    const now = clock.now();
    return { node: nodeId, cluster, role, chain: [...chain], issuedAt, now };
  }

  /** A node tells how it went. */
  told(
    nodeId: string,
    { rehearsal: id, problem }: {
      readonly rehearsal: string;
      readonly problem?: string | undefined;
    },
  ): void {
    const rehearsal = this.#mustBe(id);
    if (!rehearsal.open.delete(nodeId)) return;
    if (problem !== undefined) rehearsal.problems.set(nodeId, problem);
    this.#next(rehearsal);
  }

  async #rehearse(
    signer: Signer,
    { present, absent }: {
      readonly present: readonly string[];
      readonly absent: readonly string[];
    },
  ): Promise<RehearsalSummary> {
    const done = Promise.withResolvers<void>();
    const rehearsal: Rehearsal = {
      id: newId(this.#parts.random),
      signer,
      waiting: [...present],
      open: new Set(),
      served: new Set(),
      problems: new Map(),
      done: done.resolve,
    };
    this.#rehearsal = rehearsal;
    const late = this.#parts.clock.schedule(REHEARSAL_MS, done.resolve);
    for (let i = 0; i < IN_FLIGHT; i++) this.#next(rehearsal);
    await done.promise;
    late();
    this.#rehearsal = undefined;
    const silent = [...rehearsal.open, ...rehearsal.waiting]
      .map((node) => ({ node, reason: "it did not answer" }));
    const told = [...rehearsal.problems]
      .map(([node, reason]) => ({ node, reason }));
    const problems = [...told, ...silent];
    return { ready: present.length - problems.length, problems, absent };
  }

  #next(rehearsal: Rehearsal): void {
    const node = rehearsal.waiting.pop();
    if (node !== undefined) {
      rehearsal.open.add(node);
      const { id } = rehearsal;
      this.#parts.sessions.push(node, "node.rehearse-now", { rehearsal: id });
    } else if (rehearsal.open.size === 0) rehearsal.done();
  }

  /** A root that nobody will ever trust; or why it cannot be vouched for. */
  async #throwAway(): Promise<Signer | string> {
    const { crypto, random, clock, store, authorities } = this.#parts;
    const now = clock.now();
    const cluster = store.view(mustCluster);
    const generation = nextGeneration(cluster);
    const key = await crypto.generateKey();
    const der = await createRoot(crypto, { random, now, generation, key });
    const root = await readCertificate(crypto, der);
    const { root: issuer, key: issuerKey } = authorities.present;
    const problem = crossSignProblem({ root, issuer });
    if (problem !== undefined) return problem;
    const cross = await crossSign(crypto, {
      ...{ root, generation, issuer, issuerKey, random, now },
      clusterId: cluster.id,
      successor: false,
      end: now + HOUR,
    });
    const intermediates = [await readCertificate(crypto, cross)];
    const authority = { root, key: key.privateKey, intermediates };
    return authorities.signerOf(authority);
  }

  #absent(present: ReadonlySet<string>): string[] {
    const { store, nodeId } = this.#parts;
    const nodes = store.view((view) => [...view.list("node")]);
    return nodes.map(({ id }) => id)
      .filter((id) => id !== nodeId && !present.has(id));
  }

  #mustBe(id: string): Rehearsal {
    if (this.#rehearsal?.id === id) return this.#rehearsal;
    throw new SwarmdError("not-found", "This rehearsal is over");
  }
}
