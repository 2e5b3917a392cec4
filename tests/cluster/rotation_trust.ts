import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { acceptedAs } from "../../lib/cluster/node.ts";
import {
  type Anchors,
  anchorsOf,
  type Bundle,
  bundleOf,
  caRootAnswer,
  issuerFor,
  mayRecover,
  successionFrom,
} from "../../lib/cluster/root_views.ts";
import type { ModelNode, ModelState, Setup } from "./rotation_state.ts";
import { type Leaf, verifies, vouches } from "./rotation_symbols.ts";

/** Views of a cluster record, each computed once. */
interface Views {
  readonly anchors: Anchors;
  readonly bundle: Bundle;
}

/** Who can verify whom in a state of the model, and what leads where. */
export class RotationTrust {
  readonly #setup: Setup;
  readonly #views = new WeakMap<ClusterRecord, Views>();

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  views(cluster: ClusterRecord): Views {
    const known = this.#views.get(cluster);
    if (known) return known;
    const made = { anchors: anchorsOf(cluster), bundle: bundleOf(cluster) };
    this.#views.set(cluster, made);
    return made;
  }

  /** What a leaf is sent with. */
  sent(state: ModelState, leaf: Leaf): Leaf {
    if (this.#setup.mutation !== "chain of the phase") return leaf;
    const { chain, root } = issuerFor(state.cluster, {
      role: "worker",
      now: state.now,
    });
    const same = root.certificate === leaf.issuer;
    return { ...leaf, chain: same ? chain : [] };
  }

  trustsManager(state: ModelState, bundle: readonly string[]): boolean {
    const [manager] = state.nodes;
    return manager?.disk !== undefined &&
      verifies(this.sent(state, manager.disk.leaf), bundle);
  }

  accepts(state: ModelState, { disk, record }: ModelNode): boolean {
    if (!disk || !record) return false;
    const { roots, intermediates } = this.views(state.cluster).anchors;
    const fingerprint = disk.leaf.print;
    return verifies(this.sent(state, disk.leaf), roots, intermediates) &&
      acceptedAs(record, { fingerprint, now: state.now }) !== undefined;
  }

  canRecover({ cluster, now }: ModelState, node: ModelNode): boolean {
    const { disk, record } = node;
    if (!disk || !record) return false;
    const known = acceptedAs(record, { fingerprint: disk.leaf.print, now });
    return (known === "current" || known === "pending") &&
      mayRecover(cluster, disk.leaf.issuer);
  }

  /** The root that the succession leads to, each link checked. */
  walk(state: ModelState, bundle: readonly string[]): string | undefined {
    const { now } = state;
    const cluster = this.#withEarlyLinks(state.cluster);
    const digests = bundle.map((name) => `d:${name}`);
    const links = successionFrom(cluster, { digests, now });
    let trusted = bundle;
    let end: string | undefined;
    for (const { root, cross } of links ?? []) {
      if (!vouches(cross, { root, bundle: trusted })) return undefined;
      trusted = [root];
      end = root;
    }
    return end !== undefined && this.trustsManager(state, [...bundle, end])
      ? end
      : undefined;
  }

  #withEarlyLinks(cluster: ClusterRecord): ClusterRecord {
    const { rotation } = cluster;
    if (this.#setup.mutation !== "early links" || !rotation?.successor) {
      return cluster;
    }
    // As if the rotation had ended
    const { root: { certificate, generation, facts }, links = [] } = cluster;
    const { target, successor } = rotation;
    const link = {
      from: generation,
      to: target.generation,
      digest: facts?.digest ?? "",
      certificate,
      root: target.certificate,
      cross: successor.certificate,
      until: successor.notAfter,
    };
    const root = { ...cluster.root, ...target };
    return { ...cluster, root, links: [...links, link] };
  }

  rootFor({ cluster, token, now }: ModelState): string | undefined {
    const digest = `d:${token}`;
    const answer = caRootAnswer(cluster, { digest, now });
    return answer && (answer.links.at(-1)?.root ?? answer.certificate);
  }
}
