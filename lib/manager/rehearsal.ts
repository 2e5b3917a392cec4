import { describeError, SwarmdError } from "../base/errors.ts";
import { newId } from "../base/random.ts";
import { HOUR, SECOND } from "../base/time.ts";
import { crossSign } from "../pki/cross_sign.ts";
import { readCertificate } from "../pki/certificate.ts";
import { createRoot } from "../pki/root.ts";
import { nextGeneration } from "../cluster/root_rotation.ts";
import type { RehearsalSummary } from "../cluster/local_api.ts";
import type { Straggler } from "../cluster/root_record.ts";
import { followsRotations, whyUnable } from "../cluster/rotation_progress.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { readCsr } from "../pki/csr.ts";
import type { Signer } from "../pki/signer.ts";
import { fromBase64 } from "../base/bytes.ts";
import { isPresentAuthority } from "./authority_servers.ts";
import { spkiHash } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";
import { rootFacts } from "./root_facts.ts";
import {
  planRotation,
  readSource,
  type RotationWish,
} from "./rotation_orders.ts";
import type { RotationParts } from "./rotation_parts.ts";
import { signLeaf } from "./sign_leaf.ts";

/** Nodes that rehearse at the same time. */
const IN_FLIGHT = 64;
/** For all of it, in milliseconds: the operator's command waits a minute. */
const REHEARSAL_MS = 45 * SECOND;
/** And at least so long for the nodes, whatever an authority took of it. */
const NODES_MS = 15 * SECOND;

/**
 * What is signed is good for so long at most, in milliseconds, whatever becomes
 * of the node: it is on no record, so nothing could take it back. A clock may be
 * ahead by as much.
 */
const SIGNED_MS = HOUR;
/** Nobody is a manager by a rehearsal: workers would believe it. */
const SIGNED_ROLE = "worker";

/** No node has anything to do. */
const NOBODY = { ready: 0, problems: [], absent: [] };

interface Rehearsal {
  readonly id: string;
  /** Absent: nobody is to be asked for certificates that are thrown away. */
  readonly signer: Signer | undefined;
  readonly waiting: string[];
  readonly open: Set<string>;
  readonly served: Set<string>;
  /** Those that asked well, and got nothing since there is no signer. */
  readonly shown: Set<string>;
  readonly problems: Map<string, string>;
  readonly done: () => void;
}

/** What is to be rehearsed, and when it began, on the monotonic clock. */
interface Plan {
  readonly wish: RotationWish;
  readonly begunAt: number;
}

/**
 * Makes all that a rotation needs, and writes nothing. Then has every connected
 * node go through a renewal under a root that is thrown away: nothing is
 * recorded, so nothing that comes of it is ever accepted here. Elsewhere it is a
 * worker's certificate, for an hour.
 */
export class RehearsalDesk {
  readonly #parts: RotationParts;
  #rehearsal: Rehearsal | undefined;
  #isBusy = false;

  constructor(parts: RotationParts) {
    this.#parts = parts;
  }

  /** @throws {SwarmdError} `too-busy` while another one is under way */
  async run(wish: RotationWish = {}): Promise<RehearsalSummary> {
    if (this.#isBusy) {
      throw new SwarmdError("too-busy", "A rehearsal is under way");
    }
    this.#isBusy = true;
    const begunAt = this.#parts.clock.monotonic();
    try {
      return await this.#run({ wish, begunAt });
    } finally {
      this.#isBusy = false;
    }
  }

  async #run(plan: Plan): Promise<RehearsalSummary> {
    try {
      const target = await this.#plan(plan);
      if (target.onlyServers) return { ...target, ...NOBODY };
      const { present, absent, unable } = this.#fleet();
      const signer = await this.#signer(plan);
      const told = await this.#rehearse(signer, { present, plan });
      const ready = present.length - told.length;
      return { ...target, ready, problems: [...unable, ...told], absent };
    } catch (error) {
      if (!(error instanceof SwarmdError)) throw error;
      const { absent, unable: problems } = this.#fleet();
      return { obstacle: describeError(error), ready: 0, problems, absent };
    }
  }

  /** Who can rehearse, who is not there, and who does not know how. */
  #fleet() {
    const unable = this.#unable();
    const connected = [...this.#parts.sessions]
      .filter(({ connection }) => connection)
      .map(({ nodeId }) => nodeId);
    const absent = this.#absent(new Set(connected));
    const names = new Set(unable.map(({ node }) => node));
    const present = connected.filter((id) => !names.has(id));
    return { present, absent, unable };
  }

  /**
   * The rotation itself, up to the moment at which it would be written.
   *
   * @returns its root, where an operator named it
   * @throws {SwarmdError} why there can be none
   */
  async #plan(
    { wish }: Plan,
  ): Promise<Pick<RehearsalSummary, "target" | "onlyServers">> {
    const { store, crypto } = this.#parts;
    const source = await readSource(this.#parts, wish);
    const target = source &&
      { target: (await rootFacts(crypto, source.anchor)).digest };
    if (source && isPresentAuthority(store.view(mustCluster), source)) {
      return { ...target, onlyServers: true };
    }
    const { next } = await planRotation(this.#parts, { wish, source });
    next(store.view(mustCluster));
    return { ...target };
  }

  /** A node asks for its certificate; it gets one that is worth nothing. */
  async serve(
    nodeId: string,
    asked: { readonly rehearsal: string; readonly csr: string },
  ): Promise<IssuedResult> {
    const { store, crypto, clock } = this.#parts;
    const role = SIGNED_ROLE;
    const rehearsal = this.#mustBe(asked.rehearsal);
    const { signer } = rehearsal;
    // Each costs a signature: one for everybody who was asked, and no more.
    if (!rehearsal.open.has(nodeId) || rehearsal.served.has(nodeId)) {
      throw new SwarmdError("too-busy", "Nothing is to be rehearsed here now");
    }
    rehearsal.served.add(nodeId);
    const csr = fromBase64(asked.csr);
    const { spki } = await readCsr(crypto, csr);
    if (!signer) {
      rehearsal.shown.add(nodeId);
      throw notSigned();
    }
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
    const isExpected = rehearsal.shown.has(nodeId);
    if (problem !== undefined && !isExpected) {
      rehearsal.problems.set(nodeId, problem);
    }
    this.#next(rehearsal);
  }

  async #rehearse(
    signer: Signer | undefined,
    { present, plan: { begunAt } }: {
      readonly present: readonly string[];
      readonly plan: Plan;
    },
  ): Promise<Straggler[]> {
    const { clock } = this.#parts;
    const leftMs = begunAt + REHEARSAL_MS - clock.monotonic();
    const done = Promise.withResolvers<void>();
    const rehearsal: Rehearsal = {
      id: newId(this.#parts.random),
      signer,
      waiting: [...present],
      open: new Set(),
      served: new Set(),
      shown: new Set(),
      problems: new Map(),
      done: done.resolve,
    };
    this.#rehearsal = rehearsal;
    const late = clock.schedule(Math.max(NODES_MS, leftMs), done.resolve);
    for (let i = 0; i < IN_FLIGHT; i++) this.#next(rehearsal);
    await done.promise;
    late();
    this.#rehearsal = undefined;
    const silent = [...rehearsal.open, ...rehearsal.waiting]
      .map((node) => ({ node, reason: "it did not answer" }));
    const told = [...rehearsal.problems]
      .map(([node, reason]) => ({ node, reason }));
    return [...told, ...silent];
  }

  #next(rehearsal: Rehearsal): void {
    const node = rehearsal.waiting.pop();
    if (node !== undefined) {
      rehearsal.open.add(node);
      const { id } = rehearsal;
      this.#parts.sessions.push(node, "node.rehearse-now", { rehearsal: id });
    } else if (rehearsal.open.size === 0) rehearsal.done();
  }

  /** Who signs what is thrown away; nobody, where only an authority could. */
  async #signer({ wish }: Plan): Promise<Signer | undefined> {
    const { authorities, clock, store } = this.#parts;
    if (!wish.trustFirst) return await this.#throwAway();
    // The rotation asks nothing of it, and it may be dead: so does this
    if (store.view(mustCluster).root.external) return undefined;
    // Nobody vouches for another root: the present one has to do
    const now = clock.now();
    const signer = authorities.signerFor({ role: SIGNED_ROLE, now });
    const { until = Infinity } = signer;
    return { ...signer, until: Math.min(until, now + SIGNED_MS) };
  }

  /** A root that nobody will ever trust. */
  async #throwAway(): Promise<Signer> {
    const { crypto, random, clock, store, authorities } = this.#parts;
    const now = clock.now();
    const cluster = store.view(mustCluster);
    const generation = nextGeneration(cluster);
    const key = await crypto.generateKey();
    const der = await createRoot(crypto, { random, now, generation, key });
    const root = await readCertificate(crypto, der);
    const { root: issuer, key: issuerKey } = authorities.present;
    const cross = await crossSign(crypto, {
      ...{ root, generation, issuer, issuerKey, random, now },
      clusterId: cluster.id,
      successor: false,
      end: now + SIGNED_MS,
    });
    const intermediates = [await readCertificate(crypto, cross)];
    const authority = { root, key: key.privateKey, intermediates };
    return { ...authorities.signerOf(authority), until: now + SIGNED_MS };
  }

  /** Those that came, and are of a version that does not know how. */
  #unable(): Straggler[] {
    const { store, nodeId } = this.#parts;
    const nodes = store.view((view) => [...view.list("node")]);
    return nodes.flatMap(({ id, firstSeen, description }) => {
      const version = description?.version ?? "";
      const fits = id === nodeId || firstSeen === undefined;
      if (fits || followsRotations(version)) return [];
      return [{ node: id, reason: whyUnable(version) }];
    });
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

function notSigned(): SwarmdError {
  return new SwarmdError(
    "not-supported",
    "Nothing is signed in this rehearsal: the authority is elsewhere",
    { verdict: "stop" },
  );
}
