import { DAY, MINUTE } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { acceptedAs, withPending } from "../../lib/cluster/node.ts";
import {
  abort,
  finish,
  replace,
  start,
} from "../../lib/cluster/root_rotation.ts";
import {
  type Anchors,
  anchorsOf,
  type Bundle,
  bundleOf,
  caRootAnswer,
  issuerFor,
  mayRecover,
  successionFrom,
  tokenRootOf,
} from "../../lib/cluster/root_views.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import {
  nodeFacts,
  progress,
  type RotationLook,
} from "../../lib/cluster/rotation_progress.ts";
import {
  digestOf,
  type Leaf,
  orderFor,
  verifies,
  vouches,
} from "./rotation_symbols.ts";
import {
  blankRecord,
  type Budget,
  freshPrint,
  type ModelNode,
  type ModelState,
  promoted,
  recordOf,
  type Setup,
  tidy,
} from "./rotation_state.ts";

/** A step, by name, and where it leads. */
export interface Step {
  readonly name: string;
  readonly next: ModelState;
  /** Happens by itself, sooner or later. */
  readonly quiet: boolean;
}

/** Views of a cluster record, each computed once. */
interface Views {
  readonly anchors: Anchors;
  readonly bundle: Bundle;
}

/** The model: steps and invariants of a setup. */
export class RotationModel {
  readonly #setup: Setup;
  readonly #views = new WeakMap<ClusterRecord, Views>();
  readonly #made = new WeakMap<ClusterRecord, Map<string, ClusterRecord>>();

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  /**
   * All steps from a state; what happens by itself first. Where a step touches
   * nobody else, so that its place among the others' steps makes no difference,
   * it is the only one.
   */
  *steps(state: ModelState): Generator<Step> {
    const alone = this.#own(state);
    if (alone) {
      yield alone;
      // A crash between receiving and saving
      const received = state.nodes.findIndex((node) => node.received);
      if (received >= 0) yield* this.#mishaps(state, received);
      return;
    }
    for (const [i, node] of state.nodes.entries()) {
      if (node.role === "manager") {
        yield* quiet("m renews itself", this.#selfRenew({ state, i, node }));
      } else yield* this.#workerSteps({ state, i, node });
    }
    yield* quiet("the rotation advances", this.#advance(state));
    yield* this.#accidents(state);
  }

  #own(state: ModelState): Step | undefined {
    for (const [i, node] of state.nodes.entries()) {
      const at = { state, i, node };
      const steps = node.role === "worker"
        ? [
          ...quiet(`${node.name} saves`, this.#save(at)),
          ...quiet(`${node.name} is pushed`, this.#push(at)),
        ]
        : [
          ...quiet("m is seen", this.#selfSeen(at)),
          ...quiet("m adopts", this.#selfAdopt(at)),
        ];
      if (steps[0]) return steps[0];
    }
    return undefined;
  }

  *#workerSteps(at: At): Generator<Step> {
    const { state, i, node: { name, online } } = at;
    if (!online) {
      yield* quiet(`${name} returns`, this.#change(at, { online: true }));
      return;
    }
    yield* quiet(`${name} adopts`, this.#adopt(at));
    yield* quiet(`${name} dials`, this.#dial(at));
    yield* quiet(`${name} is issued`, this.#renew(at));
    yield* quiet(`${name} asks for the root`, this.#askRoot(at));
    yield* quiet(`${name} joins`, this.#join(at));
    yield* this.#mishaps(state, i);
  }

  /** What is wrong with a state; `undefined` when nothing is. */
  wrong(state: ModelState): string | undefined {
    for (const node of state.nodes) {
      const problem = this.#wrongNode(state, node);
      if (problem !== undefined) return `${node.name} ${problem}`;
    }
    return undefined;
  }

  /** Whether everything has come to rest as it should. */
  isRight({ cluster, nodes }: ModelState): boolean {
    const root = cluster.root.certificate;
    const { trustFirst } = this.#setup;
    return !cluster.rotation &&
      nodes.every((node) =>
        isRightNode(node, root) || (node.behind && trustFirst)
      );
  }

  #wrongNode(state: ModelState, node: ModelNode): string | undefined {
    const { disk, received, pinned } = node;
    if (received && !verifies(received, disk?.bundle ?? [pinned ?? ""])) {
      return "cannot use the answer that it got";
    }
    if (!disk && pinned !== undefined) {
      const again = this.#rootFor(state);
      // Trust-first makes new tokens before the managers renew
      return this.#setup.trustFirst || this.#trustsManager(state, [pinned]) ||
          (again !== undefined && this.#trustsManager(state, [again]))
        ? undefined
        : "pins a root that leads to no manager";
    }
    if (!disk) return undefined;
    const trusted = this.#trustsManager(state, disk.bundle);
    const accepted = this.#accepts(state, node);
    if (trusted && accepted) return undefined;
    // Trust-first: no succession, whoever was left out has to join again
    if (node.behind && this.#setup.trustFirst) return undefined;
    if (!node.behind) {
      return trusted ? "is not accepted" : "cannot verify the manager";
    }
    if (!accepted && !this.#canRecover(state, node)) return "cannot recover";
    return trusted || this.#walk(state, disk.bundle) !== undefined
      ? undefined
      : "has no way back";
  }

  /** The same record for the same step: what is known of it is kept. */
  #once(
    { cluster, now }: ModelState,
    { what, make }: {
      readonly what: string;
      readonly make: (cluster: ClusterRecord) => ClusterRecord;
    },
  ): ClusterRecord {
    const label = `${what} ${now}`;
    const known = this.#made.get(cluster) ?? new Map<string, ClusterRecord>();
    this.#made.set(cluster, known);
    const next = known.get(label) ?? make(cluster);
    known.set(label, next);
    return next;
  }

  #viewsOf(cluster: ClusterRecord): Views {
    const known = this.#views.get(cluster);
    if (known) return known;
    const made = { anchors: anchorsOf(cluster), bundle: bundleOf(cluster) };
    this.#views.set(cluster, made);
    return made;
  }

  /** What a leaf is sent with. */
  #sent(state: ModelState, leaf: Leaf): Leaf {
    if (this.#setup.mutation !== "chain of the phase") return leaf;
    const { chain, root } = issuerFor(state.cluster, {
      role: "worker",
      now: state.now,
    });
    const same = root.certificate === leaf.issuer;
    return { ...leaf, chain: same ? chain : [] };
  }

  #trustsManager(state: ModelState, bundle: readonly string[]): boolean {
    const [manager] = state.nodes;
    return manager?.disk !== undefined &&
      verifies(this.#sent(state, manager.disk.leaf), bundle);
  }

  #accepts(state: ModelState, { disk, record }: ModelNode): boolean {
    if (!disk || !record) return false;
    const { roots, intermediates } = this.#viewsOf(state.cluster).anchors;
    const fingerprint = disk.leaf.print;
    return verifies(this.#sent(state, disk.leaf), roots, intermediates) &&
      acceptedAs(record, { fingerprint, now: state.now }) !== undefined;
  }

  #canRecover({ cluster, now }: ModelState, node: ModelNode): boolean {
    const { disk, record } = node;
    if (!disk || !record) return false;
    const known = acceptedAs(record, { fingerprint: disk.leaf.print, now });
    return (known === "current" || known === "pending") &&
      mayRecover(cluster, disk.leaf.issuer);
  }

  /** The root that the succession leads to, each link checked. */
  #walk(state: ModelState, bundle: readonly string[]): string | undefined {
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
    return end !== undefined && this.#trustsManager(state, [...bundle, end])
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

  #rootFor({ cluster, token, now }: ModelState): string | undefined {
    const digest = `d:${token}`;
    const answer = caRootAnswer(cluster, { digest, now });
    return answer && (answer.links.at(-1)?.root ?? answer.certificate);
  }

  #change(at: At, change: Partial<ModelNode>): ModelState {
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
    return this.#change(at, { ...change, record: pending });
  }

  /** A manager has its own answer on disk at once, and serves with it. */
  #selfRenew(at: At): ModelState | undefined {
    const { state, node } = at;
    const { disk } = node;
    if (!disk || this.#isPrescribed(state, node)) return undefined;
    const leaf = this.#issue(state, node);
    return this.#withIssued(at, { disk: { ...disk, leaf } }, leaf);
  }

  #isCurrent({ disk, record }: ModelNode): boolean {
    return disk?.leaf.print === record?.certificates.current?.fingerprint;
  }

  #save(at: At): ModelState | undefined {
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
    return this.#change({ ...at, node }, {});
  }

  #selfSeen(at: At): ModelState | undefined {
    const { node, state } = at;
    if (!node.disk || !node.record || this.#isCurrent(node)) return undefined;
    if (!this.#trustsManager(state, node.disk.bundle)) return undefined;
    return this.#change(at, { record: promoted(node.record, node.disk.leaf) });
  }

  #selfAdopt(at: At): ModelState | undefined {
    const { disk, record } = at.node;
    const { digest, roots } = this.#viewsOf(at.state.cluster).bundle;
    if (!disk || !record || record.trusts === digest) return undefined;
    const bundle = roots.map((root) => root.certificate);
    if (!verifies(this.#sent(at.state, disk.leaf), bundle)) return undefined;
    return this.#change(at, {
      disk: { ...disk, bundle },
      record: { ...record, trusts: digest },
    });
  }

  #dial(at: At): ModelState | undefined {
    const { state, node } = at;
    const { disk, record } = node;
    if (!disk || !record || node.connection === "fresh" || node.received) {
      return undefined;
    }
    const end = this.#trustsManager(state, disk.bundle)
      ? undefined
      : this.#walk(state, disk.bundle);
    if (!this.#trustsManager(state, [...disk.bundle, ...end ? [end] : []])) {
      return undefined;
    }
    const bundle = end === undefined ? disk.bundle : [end];
    if (!this.#accepts(state, node)) return this.#recover(at, bundle);
    const keeps = verifies(this.#sent(state, disk.leaf), bundle);
    const next = keeps ? bundle : [...disk.bundle, ...bundle];
    const { pushed: _, ...rest } = node;
    return this.#change({ ...at, node: rest }, {
      connection: "fresh",
      behind: node.behind && !next.includes(state.cluster.root.certificate),
      disk: { ...disk, bundle: next },
      record: { ...promoted(record, disk.leaf), trusts: digestOf(next) },
    });
  }

  #recover(at: At, bundle: readonly string[]): ModelState | undefined {
    const { state, node } = at;
    if (!this.#canRecover(state, node)) return undefined;
    const { record } = node;
    const said = record && { ...record, trusts: digestOf(bundle) };
    const asking = said ? { ...node, record: said } : node;
    const leaf = this.#issue(state, asking);
    return this.#withIssued({ ...at, node: asking }, {
      disk: { leaf, bundle },
    }, leaf);
  }

  #renew(at: At): ModelState | undefined {
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

  #push(at: At): ModelState | undefined {
    const { node, state } = at;
    const { disk, record, inbox } = node;
    const { bundle } = this.#viewsOf(state.cluster);
    if (!disk || !record || node.connection === "none") return undefined;
    if (record.trusts === bundle.digest || node.pushed === bundle.digest) {
      return undefined;
    }
    // What it said is void from the moment on at which it is told otherwise
    const { trusts: _, ...forgotten } = record;
    return this.#change(at, {
      inbox: [...inbox.slice(-1), bundle],
      pushed: bundle.digest,
      record: forgotten,
    });
  }

  #adopt(at: At): ModelState | undefined {
    const { node, state } = at;
    const { disk, inbox } = node;
    const [offered, ...rest] = inbox;
    if (!disk || !offered || node.received) return undefined;
    const bundle = offered.roots.map(({ certificate }) => certificate);
    // A push is no proof; trust-first has no other
    const proven = this.#setup.trustFirst ||
      isProven(offered, disk.bundle) ||
      isProven(offered, [...disk.bundle, this.#walk(state, disk.bundle) ?? ""]);
    const holds = verifies(this.#sent(state, disk.leaf), bundle) &&
      this.#trustsManager(state, bundle);
    if (!proven || !holds) return this.#change(at, { inbox: rest });
    return this.#change(at, {
      inbox: rest,
      connection: node.connection === "none" ? "none" : "stale",
      disk: { ...disk, bundle },
    });
  }

  #askRoot(at: At): ModelState | undefined {
    const { node, state } = at;
    if (node.disk || node.received) return undefined;
    const pinned = this.#rootFor(state);
    if (pinned === undefined) {
      // The operator hands out a new token
      const token = tokenRootOf(state.cluster).certificate;
      const { pinned: _, ...unpinned } = node;
      return { ...this.#change({ ...at, node: unpinned }, {}), token };
    }
    return pinned === node.pinned ? undefined : this.#change(at, { pinned });
  }

  #join(at: At): ModelState | undefined {
    const { node, state } = at;
    const { pinned } = node;
    if (node.disk || node.received || pinned === undefined) return undefined;
    if (!this.#trustsManager(state, [pinned])) return undefined;
    if (this.#rootFor(state) === undefined) return undefined;
    const leaf = this.#issue(state, node);
    return this.#withIssued(at, { received: leaf }, leaf);
  }

  #look({ nodes, now }: ModelState): RotationLook {
    const known = nodes.flatMap((node) =>
      node.record
        ? [nodeFacts(node.record, node.online ? {} : { downSince: now })]
        : []
    );
    const hurried = this.#setup.mutation === "no time for joiners";
    return {
      now,
      nodes: hurried
        ? known.filter(({ issuerKeyId }) => issuerKeyId !== undefined)
        : known,
    };
  }

  #advance(state: ModelState): ModelState | undefined {
    const look = this.#look(state);
    const step = advance(state.cluster, look);
    if (!step) return undefined;
    const next = this.#once(state, { what: "advance", make: () => step });
    const ended = !next.rotation;
    const switching = next.rotation?.phase === "switching";
    const cuts = switching || ended &&
        (next.root !== state.cluster.root ||
          state.cluster.rotation?.trustFirst === true);
    const late = new Set(
      progress(state.cluster, look)?.stragglers.map(({ node }) => node),
    );
    const nodes = state.nodes.map((node) => {
      const neverWaitedFor = this.#setup.mutation !== "no time for joiners" &&
        node.record !== undefined && !node.record.certificates.current &&
        state.now - (node.record.certificates.pending?.issuedAt ?? 0) >
          10 * MINUTE;
      const behind = node.behind ||
        cuts && (late.has(node.name) || neverWaitedFor);
      // Open connections are judged again
      const connection = ended && node.connection === "stale"
        ? "none"
        : node.connection;
      return { ...node, behind, connection };
    }).map((node) => tidy(node));
    const after = { ...state, cluster: next, nodes };
    if (!cuts) return after;
    return { ...after, nodes: nodes.map((node) => this.#cut(after, node)) };
  }

  #cut(state: ModelState, node: ModelNode): ModelNode {
    return node.role === "manager" || this.#accepts(state, node)
      ? node
      : { ...node, connection: "none" };
  }

  /** What nobody needs, each bounded by the budget. */
  *#accidents(state: ModelState): Generator<Step> {
    const { budget, cluster, now, nodes } = state;
    const step = (
      name: string,
      spent: Partial<Budget>,
      change: Partial<ModelState>,
    ) => ({
      name,
      quiet: false,
      next: { ...state, ...change, budget: { ...budget, ...spent } },
    });
    yield* this.#operator(state, step);
    const { rotation } = cluster;
    if (budget.deadlines > 0 && rotation && now < rotation.deadline) {
      const spent = { deadlines: budget.deadlines - 1 };
      yield step("the deadline passes", spent, { now: rotation.deadline });
    }
    if (budget.ticks > 0 && rotation) {
      const spent = { ticks: budget.ticks - 1 };
      yield step("11 minutes pass", spent, { now: now + 11 * MINUTE });
    }
    // Whoever is connected has everything done in a week
    const busy = rotation !== undefined ||
      nodes.some((node) =>
        node.disk
          ? node.online && (node.connection !== "fresh" ||
            node.record?.trusts !== this.#viewsOf(cluster).bundle.digest)
          : node.pinned !== undefined
      );
    if (budget.weeks > 0 && !busy) {
      const spent = { weeks: budget.weeks - 1 };
      const late = nodes.map((node) => ({
        ...node,
        behind: node.behind || !this.#isUpToDate(state, node),
      }));
      const change = { now: now + 8 * DAY, nodes: late };
      yield step("8 days pass", spent, change);
    }
    const [manager] = nodes;
    if (manager && budget.restarts > 0) {
      const restarted = this.#restart({ state, i: 0, node: manager });
      const spent = { restarts: budget.restarts - 1 };
      yield step("m restarts", spent, restarted);
    }
  }

  /** Whether it could do without the old root. */
  #isUpToDate({ cluster }: ModelState, { disk }: ModelNode): boolean {
    return !disk || disk.bundle.includes(cluster.root.certificate);
  }

  /** What may happen to one worker. */
  *#mishaps(state: ModelState, i: number): Generator<Step> {
    const { budget } = state;
    const node = state.nodes[i];
    if (!node?.online) return;
    const step = (name: string, next: ModelState, spent: Partial<Budget>) => ({
      name: `${node.name} ${name}`,
      quiet: false,
      next: { ...next, budget: { ...budget, ...spent } },
    });
    const { received, ...rest } = node;
    const without = { state, i, node: rest };
    const gone = budget.offlines > 0 && this.#offline(without);
    if (gone) {
      yield step("goes offline", gone, { offlines: budget.offlines - 1 });
    }
    if (received && budget.losses > 0) {
      const lost = this.#change(without, {});
      yield step("loses the answer", lost, { losses: budget.losses - 1 });
    }
  }

  *#operator(
    state: ModelState,
    step: (
      name: string,
      spent: Partial<Budget>,
      change: Partial<ModelState>,
    ) => Step,
  ): Generator<Step> {
    const { budget, cluster, now } = state;
    const { rotation } = cluster;
    const { trustFirst = false, quorum } = this.#setup;
    const [name, ...targets] = budget.targets;
    const order = (from: ClusterRecord) =>
      orderFor(from, {
        name: name ?? "",
        now,
        trustFirst,
        ...(quorum !== undefined && { quorum }),
      });
    if (!rotation) {
      if (name === undefined) return;
      const make = (from: ClusterRecord) => start(from, order(from));
      const next = this.#once(state, { what: `start ${name}`, make });
      yield step(`rotates to ${name}`, { targets }, { cluster: next });
      return;
    }
    const { id } = rotation;
    if (name !== undefined && !trustFirst && budget.replaces > 0) {
      const make = (from: ClusterRecord) =>
        replace(from, { ...order(from), replaces: id });
      const next = this.#once(state, { what: `replace ${name}`, make });
      const spent = { targets, replaces: budget.replaces - 1 };
      yield step(`replaces by ${name}`, spent, { cluster: next });
    }
    const { phase } = rotation;
    const turns = phase !== "returning" && phase !== "switching";
    if (budget.aborts > 0 && turns) {
      const make = (from: ClusterRecord) => abort(from, { id, now });
      const next = this.#once(state, { what: "abort", make });
      const spent = { aborts: budget.aborts - 1 };
      yield step("aborts", spent, { cluster: next });
    }
    if (budget.finishes > 0 && rotation.finishAt === undefined) {
      const make = (from: ClusterRecord) => finish(from, { id, now });
      const next = this.#once(state, { what: "finish", make });
      const spent = { finishes: budget.finishes - 1 };
      yield step("finishes", spent, { cluster: next });
    }
  }

  #offline(at: At): ModelState | undefined {
    const { received: _, ...node } = at.node;
    if (!node.disk && !node.record) return undefined;
    const gone = { online: false, connection: "none", inbox: [] } as const;
    return this.#change({ ...at, node }, gone);
  }

  /** It gets what the phase prescribes before it listens; sessions are gone. */
  #restart(at: At): ModelState {
    const state = this.#selfRenew(at) ?? at.state;
    const nodes = state.nodes.map((node): ModelNode =>
      node.role === "manager"
        ? node
        : { ...node, connection: "none", inbox: [] }
    );
    return { ...state, nodes };
  }
}

function isRightNode(
  { disk, record, behind }: ModelNode,
  root: string,
): boolean {
  return disk !== undefined && !behind && disk.leaf.issuer === root &&
    digestOf(disk.bundle) === root && record?.trusts === root &&
    record.certificates.current?.fingerprint === disk.leaf.print;
}

/** A step that happens by itself, if it leads anywhere. */
function quiet(name: string, next: ModelState | undefined): Step[] {
  return next ? [{ name, next, quiet: true }] : [];
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

interface At {
  readonly state: ModelState;
  readonly i: number;
  readonly node: ModelNode;
}
