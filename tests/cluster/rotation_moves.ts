import { withPending } from "../../lib/cluster/node.ts";
import {
  type Bundle,
  issuerFor,
  offerFor,
  tokenRootOf,
} from "../../lib/cluster/root_views.ts";
import {
  blankRecord,
  freshPrint,
  type ModelNode,
  type ModelState,
  promoted,
  recordOf,
  type Setup,
  tidy,
} from "./rotation_state.ts";
import { digestOf, type Leaf, verifies, vouches } from "./rotation_symbols.ts";
import type { RotationTrust } from "./rotation_trust.ts";

/** A node in a state. */
export interface At {
  readonly state: ModelState;
  readonly i: number;
  readonly node: ModelNode;
}

/** What nodes do: each move leads to a state, or is not possible now. */
export class RotationMoves {
  readonly #setup: Setup;
  readonly #trust: RotationTrust;

  constructor(setup: Setup, trust: RotationTrust) {
    this.#setup = setup;
    this.#trust = trust;
  }

  change(at: At, change: Partial<ModelNode>): ModelState {
    const nodes = at.state.nodes.with(at.i, tidy({ ...at.node, ...change }));
    return { ...at.state, nodes };
  }

  #issue(state: ModelState, node: ModelNode): Leaf {
    const { role, record } = node;
    const trusts = record?.trusts;
    const { root, chain } = issuerFor(state.cluster, {
      role,
      now: state.now,
      ...(trusts !== undefined && { trusts }),
    });
    return {
      print: freshPrint(node),
      issuer: root.certificate,
      chain: this.#setup.mutation === "no grace"
        ? chain.filter((each) =>
          each === state.cluster.rotation?.cross?.certificate
        )
        : chain,
    };
  }

  #isPrescribed(state: ModelState, node: ModelNode): boolean {
    const { disk, record } = node;
    if (!disk || !record) return false;
    const { role } = node;
    const { trusts } = record;
    const { root } = issuerFor(state.cluster, {
      role,
      now: state.now,
      ...(trusts !== undefined && { trusts }),
    });
    return disk.leaf.issuer === root.certificate;
  }

  #withIssued(at: At, change: Partial<ModelNode>, leaf: Leaf): ModelState {
    const { node, state } = at;
    const record = node.record ?? blankRecord(node.name, node.role);
    const pending = withPending(record, recordOf(leaf, state.now));
    return this.change(at, { ...change, record: pending });
  }

  /** A manager has its own answer on disk at once, and serves with it. */
  selfRenew(at: At): ModelState | undefined {
    const { state, node } = at;
    const { disk } = node;
    if (!disk || this.#isPrescribed(state, node)) return undefined;
    const leaf = this.#issue(state, node);
    return this.#withIssued(at, { disk: { ...disk, leaf } }, leaf);
  }

  #isCurrent({ disk, record }: ModelNode): boolean {
    return disk?.leaf.print === record?.certificates.current?.fingerprint;
  }

  save(at: At): ModelState | undefined {
    const { received, disk, pinned } = at.node;
    if (!received) return undefined;
    const bundle = disk?.bundle ?? [pinned ?? ""];
    const { received: _, pinned: __, ...rest } = at.node;
    const connection = rest.connection === "none" ? "none" : "stale";
    const node: ModelNode = {
      ...rest,
      connection,
      disk: { leaf: received, bundle },
    };
    return this.change({ ...at, node }, {});
  }

  selfSeen(at: At): ModelState | undefined {
    const { node, state } = at;
    if (!node.disk || !node.record || this.#isCurrent(node)) return undefined;
    if (!this.#trust.trustsManager(state, node.disk.bundle)) return undefined;
    return this.change(at, { record: promoted(node.record, node.disk.leaf) });
  }

  selfAdopt(at: At): ModelState | undefined {
    const { disk, record } = at.node;
    const { digest, roots } = this.#trust.views(at.state.cluster).bundle;
    if (!disk || !record || record.trusts === digest) return undefined;
    const bundle = roots.map((root) => root.certificate);
    if (!verifies(this.#trust.sent(at.state, disk.leaf), bundle)) {
      return undefined;
    }
    return this.change(at, {
      disk: { ...disk, bundle },
      record: { ...record, trusts: digest },
    });
  }

  dial(at: At): ModelState | undefined {
    const { state, node } = at;
    const { disk, record } = node;
    if (!disk || !record || node.connection === "fresh" || node.received) {
      return undefined;
    }
    const end = this.#trust.trustsManager(state, disk.bundle)
      ? undefined
      : this.#trust.walk(state, disk.bundle);
    if (
      !this.#trust.trustsManager(state, [...disk.bundle, ...end ? [end] : []])
    ) {
      return undefined;
    }
    const bundle = end === undefined ? disk.bundle : [end];
    if (!this.#trust.accepts(state, node)) return this.#recover(at, bundle);
    const keeps = verifies(this.#trust.sent(state, disk.leaf), bundle);
    const next = keeps ? bundle : [...disk.bundle, ...bundle];
    const { certificate: managersGoTo } = tokenRootOf(state.cluster);
    const { pushed: _, ...rest } = node;
    return this.change({ ...at, node: rest }, {
      connection: "fresh",
      behind: node.behind && !next.includes(managersGoTo),
      disk: { ...disk, bundle: next },
      record: { ...promoted(record, disk.leaf), trusts: digestOf(next) },
    });
  }

  #recover(at: At, bundle: readonly string[]): ModelState | undefined {
    const { state, node } = at;
    if (!this.#trust.canRecover(state, node)) return undefined;
    const { record } = node;
    const said = record && { ...record, trusts: digestOf(bundle) };
    const asking = said ? { ...node, record: said } : node;
    const leaf = this.#issue(state, asking);
    return this.#withIssued({ ...at, node: asking }, {
      disk: { leaf, bundle },
    }, leaf);
  }

  renew(at: At): ModelState | undefined {
    const { state, node } = at;
    if (!node.disk || node.received || node.connection !== "fresh") {
      return undefined;
    }
    // What was sent before the request to renew is done before it
    if (node.inbox.length > 0) return undefined;
    const leaf = this.#issue(state, node);
    const pending = node.record?.certificates.pending;
    const { issuer } = leaf;
    const strays = pending !== undefined && pending.issuerKeyId !== issuer;
    if (!strays && node.disk.leaf.issuer === issuer) return undefined;
    return this.#withIssued(at, { received: leaf }, leaf);
  }

  push(at: At): ModelState | undefined {
    const { node, state } = at;
    const { disk, record, inbox } = node;
    if (!disk || !record || node.connection === "none") return undefined;
    const bundle = offerFor(state.cluster, record.trusts);
    if (!bundle || isSameOffer(node.pushed, bundle)) return undefined;
    // What it said is void from the moment on at which it is told otherwise
    const { trusts: _, ...forgotten } = record;
    return this.change(at, {
      inbox: [...inbox.slice(-1), bundle],
      pushed: bundle,
      record: forgotten,
    });
  }

  adopt(at: At): ModelState | undefined {
    const { node, state } = at;
    const { disk, inbox } = node;
    const [offered, ...rest] = inbox;
    if (!disk || !offered || node.received) return undefined;
    const bundle = offered.roots.map(({ certificate }) => certificate);
    const proven = this.takes(state, offered, disk.bundle);
    const holds = verifies(this.#trust.sent(state, disk.leaf), bundle) &&
      this.#trust.trustsManager(state, bundle);
    if (!proven || !holds) return this.change(at, { inbox: rest });
    return this.change(at, {
      inbox: rest,
      connection: node.connection === "none" ? "none" : "stale",
      disk: { ...disk, bundle },
    });
  }

  /** A push is no proof, but to who trusts foreign roots alone. */
  takes(
    state: ModelState,
    offered: Bundle,
    trusted: readonly string[],
  ): boolean {
    const end = this.#trust.walk(state, trusted) ?? "";
    return this.#takesOnWord(offered, trusted) ||
      isProven(offered, trusted) || isProven(offered, [...trusted, end]);
  }

  #takesOnWord({ roots }: Bundle, trusted: readonly string[]): boolean {
    const { trustFirst, own = [] } = this.#setup;
    const vouched = roots.some(({ certificate, cross }) =>
      cross !== undefined && !trusted.includes(certificate)
    );
    return trustFirst === true && !vouched &&
      !trusted.some((root) => own.includes(root));
  }

  askRoot(at: At): ModelState | undefined {
    const { node, state } = at;
    if (node.disk || node.received) return undefined;
    const pinned = this.#trust.rootFor(state);
    if (pinned === undefined) {
      // The operator hands out a new token
      const token = tokenRootOf(state.cluster).certificate;
      const { pinned: _, ...unpinned } = node;
      return { ...this.change({ ...at, node: unpinned }, {}), token };
    }
    return pinned === node.pinned ? undefined : this.change(at, { pinned });
  }

  join(at: At): ModelState | undefined {
    const { node, state } = at;
    const { pinned } = node;
    if (node.disk || node.received || pinned === undefined) return undefined;
    if (!this.#trust.trustsManager(state, [pinned])) return undefined;
    if (this.#trust.rootFor(state) === undefined) return undefined;
    const leaf = this.#issue(state, node);
    return this.#withIssued(at, { received: leaf }, leaf);
  }
}

/** The same roots, and the same that vouches for them. */
function isSameOffer(before: Bundle | undefined, { roots }: Bundle): boolean {
  return before !== undefined && before.roots.length === roots.length &&
    before.roots.every(({ certificate, cross }, i) =>
      certificate === roots[i]?.certificate && cross === roots[i]?.cross
    );
}

/** Whether roots that are trusted lead to all of an offer, one by one. */
function isProven({ roots }: Bundle, trusted: readonly string[]): boolean {
  let bundle = trusted;
  for (const { certificate: root, cross } of roots) {
    if (bundle.includes(root)) continue;
    if (!vouches(cross, { root, bundle })) return false;
    bundle = [...bundle, root];
  }
  return true;
}
