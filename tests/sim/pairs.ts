import { fromBase64 } from "../../lib/base/bytes.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { mayRecover, successionFrom } from "../../lib/cluster/root_views.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import {
  type Certificate,
  readCertificate,
  readCertificates,
} from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import type { StoredIdentity } from "../../lib/pki/identity_store.ts";
import { formatDigest, rootDigest } from "../../lib/pki/root_digest.ts";
import { walkSuccession } from "../../lib/pki/succession.ts";
import type { Fleet } from "./fleet.ts";
import type { WorkerMachine } from "./worker_machine.ts";

/** Texts that are remembered: some more than there are nodes. */
const MAX_TEXTS = 500;

/** What a worker was found to get on with. */
interface Found {
  readonly cluster: ClusterRecord;
  readonly managerChain: string;
}

/**
 * Invariant 6: every live node and its manager verify each other, or there is a
 * way back for it that needs nobody. Looked at from outside, by what lies on
 * disks, whether the two are connected or not.
 */
export class Pairs {
  readonly #world: Fleet;
  readonly #crypto: Crypto;
  readonly #texts = new Map<string, Promise<readonly Certificate[]>>();
  /** Nothing that counts has changed since. */
  readonly #fine = new WeakMap<StoredIdentity, Found>();

  constructor(world: Fleet, crypto: Crypto) {
    this.#world = world;
    this.#crypto = crypto;
  }

  /** Ends in this event: the fake's promises are ready at once. */
  async look(): Promise<void> {
    const { manager, workers } = this.#world;
    const cluster = manager.store?.view((view) => view.get("cluster", CLUSTER));
    const { chainPem } = manager.served ?? {};
    if (!manager.manager || !cluster || chainPem === undefined) return;
    for (const worker of workers) {
      const pair = { cluster, managerChain: chainPem };
      const problem = await this.#problemOf(worker, pair);
      if (problem === undefined) continue;
      this.#world.fail(`Invariant 6: ${worker.name} ${problem}`);
    }
  }

  async #problemOf(
    worker: WorkerMachine,
    pair: Found,
  ): Promise<string | undefined> {
    const { invariants, operator } = this.#world;
    if (worker.retired || operator.reasonFor(worker) !== undefined) return;
    // One that was saved and never used gives way to the one before it.
    const problems: (string | undefined)[] = [];
    for (const identity of worker.disk.image.content.identities) {
      const known = this.#fine.get(identity);
      const same = known?.cluster === pair.cluster &&
        known.managerChain === pair.managerChain;
      if (same || !invariants.isHeld(identity)) return undefined;
      const problem = await this.#wrong(identity, pair);
      if (problem === undefined) this.#fine.set(identity, pair);
      problems.push(problem);
    }
    return problems.includes(undefined) ? undefined : problems.at(-1);
  }

  async #wrong(
    { rootsPem, certificatePem }: StoredIdentity,
    { cluster, managerChain }: Found,
  ): Promise<string | undefined> {
    const anchors = await this.#read(rootsPem);
    const presented = await this.#read(managerChain);
    const knows = (roots: readonly Certificate[]) =>
      this.#holds({ presented, anchors: roots, usage: "serverAuth" });
    if (!await knows(anchors)) {
      const end = await this.#walk(anchors, cluster);
      if (!end) return "cannot verify the manager, and nothing leads there";
      if (!await knows([...anchors, end])) {
        return "cannot verify the manager at the end of the succession";
      }
    }
    const own = await this.#read(certificatePem);
    const { roots = [], intermediates = [] } =
      this.#world.manager.authorities?.anchors ?? {};
    const accepted = await this.#holds({
      presented: own,
      anchors: roots,
      intermediates,
      usage: "clientAuth",
    });
    const issuer = this.#world.invariants.issuerOf(own[0]?.fingerprint ?? "");
    return accepted || (issuer !== undefined && mayRecover(cluster, issuer))
      ? undefined
      : "is not accepted, and cannot recover";
  }

  #read(pem: string): Promise<readonly Certificate[]> {
    if (this.#texts.size === MAX_TEXTS) this.#texts.clear();
    return this.#texts.getOrInsertComputed(
      pem,
      () => readCertificates(this.#crypto, pem),
    );
  }

  /** But for its dates, which are another invariant's. */
  async #holds(
    request: Omit<Parameters<typeof verifyChain>[1], "at">,
  ): Promise<boolean> {
    const { now: at } = this.#world;
    const verdict = await verifyChain(this.#crypto, { ...request, at });
    return verdict.ok || verdict.provenIssuer;
  }

  /** Where the roots of a node lead to by the links of the cluster. */
  async #walk(
    anchors: readonly Certificate[],
    cluster: ClusterRecord,
  ): Promise<Certificate | undefined> {
    const crypto = this.#crypto;
    const { now } = this.#world;
    for (const root of anchors.toReversed()) {
      const digest = formatDigest(await rootDigest(crypto, root.der));
      const way = successionFrom(cluster, { digests: [digest], now });
      if (!way) continue;
      const read = (base64: string) =>
        readCertificate(crypto, fromBase64(base64));
      const links = await Promise.all(
        way.map(async (link) => ({
          root: await read(link.root),
          cross: await read(link.cross),
        })),
      );
      const begin = { root, generation: 0, clusterId: cluster.id, at: now };
      const { root: end } = await walkSuccession(crypto, { ...begin, links });
      return end;
    }
    return undefined;
  }
}
