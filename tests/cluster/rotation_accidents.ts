import { DAY, MINUTE } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  abort,
  finish,
  replace,
  start,
} from "../../lib/cluster/root_rotation.ts";
import { patienceEnds } from "../../lib/cluster/rotation_progress.ts";
import { giveUp } from "../../lib/cluster/rotation_steps.ts";
import type { At, RotationMoves } from "./rotation_moves.ts";
import type { Budget, ModelNode, ModelState, Setup } from "./rotation_state.ts";
import { orderFor } from "./rotation_symbols.ts";
import type { RotationTrust } from "./rotation_trust.ts";

/** A step, by name, and where it leads. */
export interface Step {
  readonly name: string;
  readonly next: ModelState;
  /** Happens by itself, sooner or later. */
  readonly quiet: boolean;
}

/** What need not happen, and may: what operators do, time, and mishaps. */
export class RotationAccidents {
  readonly #setup: Setup;
  readonly #trust: RotationTrust;
  readonly #moves: RotationMoves;
  readonly #made = new WeakMap<ClusterRecord, Map<string, ClusterRecord>>();

  constructor(setup: Setup, trust: RotationTrust, moves: RotationMoves) {
    this.#setup = setup;
    this.#trust = trust;
    this.#moves = moves;
  }

  /** What nobody needs, each bounded by the budget. */
  *any(state: ModelState): Generator<Step> {
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
      for (const at of [rotation.deadline, patienceEnds(rotation)]) {
        yield step("the deadline passes", spent, { now: at });
      }
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
            node.record?.trusts !== this.#trust.views(cluster).bundle.digest)
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
  *of(state: ModelState, i: number): Generator<Step> {
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
      const lost = this.#moves.change(without, {});
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
    const { trustFirst = false, own = [], quorum } = this.#setup;
    const [name, ...targets] = budget.targets;
    const order = (from: ClusterRecord) =>
      orderFor(from, {
        name: name ?? "",
        now,
        trustFirst,
        own: own.includes(name ?? ""),
        ...(quorum !== undefined && { quorum }),
      });
    if (!rotation) {
      if (name === undefined) return;
      const make = (from: ClusterRecord) => start(from, order(from));
      const next = this.once(state, { what: `start ${name}`, make });
      yield step(`rotates to ${name}`, { targets }, { cluster: next });
      return;
    }
    const { id } = rotation;
    if (name !== undefined && !trustFirst && budget.replaces > 0) {
      const make = (from: ClusterRecord) =>
        replace(from, { ...order(from), replaces: id });
      const next = this.once(state, { what: `replace ${name}`, make });
      const spent = { targets, replaces: budget.replaces - 1 };
      yield step(`replaces by ${name}`, spent, { cluster: next });
    }
    const { phase } = rotation;
    const turns = phase !== "returning" && phase !== "recalling";
    if (budget.aborts > 0 && turns) {
      const make = (from: ClusterRecord) => this.#abort(from, { id, now });
      const next = this.once(state, { what: "abort", make });
      const spent = { aborts: budget.aborts - 1 };
      yield step("aborts", spent, { cluster: next });
    }
    if (budget.finishes > 0 && rotation.finishAt === undefined) {
      const make = (from: ClusterRecord) => finish(from, { id, now });
      const next = this.once(state, { what: "finish", make });
      const spent = { finishes: budget.finishes - 1 };
      yield step("finishes", spent, { cluster: next });
    }
  }

  #abort(
    cluster: ClusterRecord,
    step: { readonly id: string; readonly now: number },
  ): ClusterRecord {
    const { own = [], mutation } = this.#setup;
    const { certificate: old } = cluster.root;
    const { target } = cluster.rotation ?? {};
    const vouches = target !== undefined && own.includes(target.certificate) &&
      mutation !== "nobody vouches back";
    const certificate = `${old}<${target?.certificate}`;
    const crossBack = { certificate, notAfter: Infinity };
    const back = abort(cluster, { ...step, ...(vouches && { crossBack }) });
    const { rotation } = back;
    return mutation === "back at once" && rotation
      ? { ...back, rotation: giveUp(rotation) }
      : back;
  }

  #offline(at: At): ModelState | undefined {
    const { received: _, ...node } = at.node;
    if (!node.disk && !node.record) return undefined;
    const gone = { online: false, connection: "none", inbox: [] } as const;
    return this.#moves.change({ ...at, node }, gone);
  }

  /** It gets what the phase prescribes before it listens; sessions are gone. */
  #restart(at: At): ModelState {
    const state = this.#moves.selfRenew(at) ?? at.state;
    const nodes = state.nodes.map((node): ModelNode =>
      node.role === "manager"
        ? node
        : { ...node, connection: "none", inbox: [] }
    );
    return { ...state, nodes };
  }

  /** The same record for the same step: what is known of it is kept. */
  once(
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
}
