import { MINUTE } from "../../lib/base/time.ts";
import {
  nodeFacts,
  progress,
  type RotationLook,
} from "../../lib/cluster/rotation_progress.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import { RotationAccidents, type Step } from "./rotation_accidents.ts";
import { type At, RotationMoves } from "./rotation_moves.ts";
import {
  type ModelNode,
  type ModelState,
  type Setup,
  tidy,
} from "./rotation_state.ts";
import { digestOf, verifies } from "./rotation_symbols.ts";
import { RotationTrust } from "./rotation_trust.ts";

/** The model: steps and invariants of a setup. */
export class RotationModel {
  readonly #setup: Setup;
  readonly #trust: RotationTrust;
  readonly #moves: RotationMoves;
  readonly #accidents: RotationAccidents;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#trust = new RotationTrust(setup);
    this.#moves = new RotationMoves(setup, this.#trust);
    this.#accidents = new RotationAccidents(setup, this.#trust, this.#moves);
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
      if (received >= 0) yield* this.#accidents.of(state, received);
      return;
    }
    for (const [i, node] of state.nodes.entries()) {
      if (node.role === "manager") {
        yield* quiet(
          "m renews itself",
          this.#moves.selfRenew({ state, i, node }),
        );
      } else yield* this.#workerSteps({ state, i, node });
    }
    yield* quiet("the rotation advances", this.#advance(state));
    yield* this.#accidents.any(state);
  }

  #own(state: ModelState): Step | undefined {
    for (const [i, node] of state.nodes.entries()) {
      const at = { state, i, node };
      const steps = node.role === "worker"
        ? [
          ...quiet(`${node.name} saves`, this.#moves.save(at)),
          ...quiet(`${node.name} is pushed`, this.#moves.push(at)),
        ]
        : [
          ...quiet("m is seen", this.#moves.selfSeen(at)),
          ...quiet("m adopts", this.#moves.selfAdopt(at)),
        ];
      if (steps[0]) return steps[0];
    }
    return undefined;
  }

  *#workerSteps(at: At): Generator<Step> {
    const { state, i, node: { name, online } } = at;
    if (!online) {
      yield* quiet(`${name} returns`, this.#moves.change(at, { online: true }));
      return;
    }
    yield* quiet(`${name} adopts`, this.#moves.adopt(at));
    yield* quiet(`${name} dials`, this.#moves.dial(at));
    yield* quiet(`${name} is issued`, this.#moves.renew(at));
    yield* quiet(`${name} asks for the root`, this.#moves.askRoot(at));
    yield* quiet(`${name} joins`, this.#moves.join(at));
    yield* this.#accidents.of(state, i);
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
  isRight(state: ModelState): boolean {
    const { cluster, nodes } = state;
    const root = cluster.root.certificate;
    const { trustFirst } = this.#setup;
    if (cluster.rotation) return trustFirst === true && this.#isHeld(state);
    return nodes.every((node) =>
      isRightNode(node, root) || (node.behind && trustFirst)
    );
  }

  /** Whoever cannot follow is waited for, but only until the deadline. */
  #isHeld(state: ModelState): boolean {
    const late = this.#late(state);
    return state.now < (state.cluster.rotation?.deadline ?? 0) &&
      late.size > 0 &&
      state.nodes.every(({ name, behind }) => behind || !late.has(name));
  }

  #late(state: ModelState): ReadonlySet<string> {
    const { stragglers = [] } = progress(state.cluster, this.#look(state)) ??
      {};
    return new Set(stragglers.map(({ node }) => node));
  }

  #wrongNode(state: ModelState, node: ModelNode): string | undefined {
    const { disk, received, pinned } = node;
    if (received && !verifies(received, disk?.bundle ?? [pinned ?? ""])) {
      return "cannot use the answer that it got";
    }
    if (!disk && pinned !== undefined) {
      const again = this.#trust.rootFor(state);
      // Trust-first makes new tokens before the managers renew
      return this.#setup.trustFirst ||
          this.#trust.trustsManager(state, [pinned]) ||
          (again !== undefined && this.#trust.trustsManager(state, [again]))
        ? undefined
        : "pins a root that leads to no manager";
    }
    if (!disk) return undefined;
    const [offered] = node.inbox;
    if (
      offered && this.#setup.own &&
      !this.#moves.takes(state, offered, disk.bundle)
    ) return "is offered what it can never take";
    const trusted = this.#trust.trustsManager(state, disk.bundle);
    const accepted = this.#trust.accepts(state, node);
    if (trusted && accepted) return undefined;
    // Trust-first: no succession, whoever was left out has to join again
    if (node.behind && this.#setup.trustFirst) return undefined;
    if (!node.behind) {
      return trusted ? "is not accepted" : "cannot verify the manager";
    }
    if (!accepted && !this.#trust.canRecover(state, node)) {
      return "cannot recover";
    }
    return trusted || this.#trust.walk(state, disk.bundle) !== undefined
      ? undefined
      : "has no way back";
  }

  #look({ nodes, now }: ModelState): RotationLook {
    const known = nodes.flatMap((node) =>
      node.record
        ? [nodeFacts(node.record, isHere(node) ? {} : { downSince: now })]
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
    const next = this.#accidents.once(state, {
      what: "advance",
      make: () => step,
    });
    const ended = !next.rotation;
    // Managers go where who trusts another root alone cannot verify them
    const { trustFirst } = this.#setup;
    const phase = next.rotation?.phase;
    const moves = phase === "switching" || trustFirst && phase === "returning";
    const cuts = moves || ended &&
        (next.root !== state.cluster.root ||
          state.cluster.rotation?.trustFirst === true);
    const late = this.#late(state);
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
    return node.role === "manager" || this.#trust.accepts(state, node)
      ? node
      : { ...node, connection: "none" };
  }
}

/** Whoever was left behind may be up, and yet have no way to connect. */
function isHere({ online, behind, connection }: ModelNode): boolean {
  return online && !(behind && connection === "none");
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
