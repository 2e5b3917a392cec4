import {
  FINISH_PATIENCE_MS,
  patienceEnds,
} from "../../lib/cluster/rotation_progress.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { CertificateRecord } from "../../lib/cluster/node.ts";
import type { Bundle } from "../../lib/cluster/root_views.ts";
import { MINUTE } from "../../lib/base/time.ts";
import type { Leaf } from "./rotation_symbols.ts";
import type { Step } from "./rotation_accidents.ts";
import { RotationModel } from "./rotation_model.ts";
import {
  firstState,
  type ModelNode,
  type ModelState,
  type Setup,
} from "./rotation_state.ts";

/** More than any setup should need: a bound, not a target. */
const MAX_STATES = 1_000_000;

/** What a search found. */
export interface Found {
  readonly states: number;
  /** What is wrong, and the way to it; absent when all is well. */
  readonly failure?: string;
  /** How often each kind of step was met. */
  readonly met: ReadonlyMap<string, number>;
}

/** The state, by its place, and the step by which another was found. */
interface Origin {
  readonly from: number;
  readonly by: string;
}

/** A state, and where it goes by itself. */
interface Visited extends Origin {
  readonly state: ModelState;
  quiet: number;
}

/**
 * Visits every state that can be reached, breadth first, checks each, and then
 * that each, left alone, comes to rest as it should.
 */
export function search(setup: Setup): Found {
  const model = new RotationModel(setup);
  const index = new Map<string, number>();
  const visited: Visited[] = [];
  const met = new Map<string, number>();
  const keys = new KeyMaker();
  const add = (state: ModelState, { from, by }: Origin): number => {
    const key = keys.of(state);
    const known = index.get(key);
    if (known !== undefined) return known;
    index.set(key, visited.length);
    visited.push({ from, by, state, quiet: -1 });
    return visited.length - 1;
  };
  const found = (at: number, what: string): Found => ({
    states: visited.length,
    failure: `${what}\n${wayTo(visited, at).join("\n")}`,
    met,
  });
  add(firstState(setup), { from: -1, by: "begins" });
  for (let at = 0; at < visited.length; at++) {
    const here = visited[at];
    if (!here) break;
    const problem = model.wrong(here.state);
    if (problem !== undefined) return found(at, problem);
    if (at > MAX_STATES) return found(at, "there are too many states");
    for (const step of model.steps(here.state)) {
      const to = add(step.next, { from: at, by: step.name });
      count(met, step);
      if (step.quiet && to !== at && here.quiet < 0) here.quiet = to;
    }
  }
  const stuck = restless(visited, model);
  if (stuck !== undefined) return found(stuck.at, stuck.why);
  return { states: visited.length, met };
}

/** A state from which a quiet run does not come to rest as it should. */
function restless(
  visited: readonly Visited[],
  model: RotationModel,
): { readonly at: number; readonly why: string } | undefined {
  const good = new Uint8Array(visited.length);
  for (let begin = 0; begin < visited.length; begin++) {
    const way: number[] = [];
    const onWay = new Set<number>();
    let at = begin;
    while (good[at] === 0) {
      if (onWay.has(at)) return { at, why: "goes round for ever" };
      onWay.add(at);
      way.push(at);
      const here = visited[at];
      if (!here) break;
      if (here.quiet < 0) {
        if (model.isRight(here.state)) break;
        return { at, why: "comes to rest, and not as it should" };
      }
      at = here.quiet;
    }
    for (const each of way) good[each] = 1;
  }
  return undefined;
}

function wayTo(visited: readonly Visited[], to: number): string[] {
  const way: string[] = [];
  for (let at = to; at >= 0;) {
    const here = visited[at];
    if (!here) break;
    way.unshift(`  ${here.by}`);
    at = here.from;
  }
  return [...way, Deno.inspect(visited[to]?.state, { depth: 8 })];
}

function count(met: Map<string, number>, { name }: Step): void {
  const kind = name.replace(/^(m|w\d|j) /, "").replace(/ [GHI]$/, "");
  met.set(kind, (met.get(kind) ?? 0) + 1);
}

/** Says the same of two states exactly when they behave the same. */
class KeyMaker {
  readonly #clusters = new WeakMap<ClusterRecord, string>();
  readonly #nodes = new WeakMap<ModelNode, string>();

  of({ cluster, now, nodes, token, budget }: ModelState): string {
    const [manager, ...others] = nodes.map((node) => this.#node(node, now));
    const { rotation } = cluster;
    const late = rotation && now >= rotation.deadline;
    const tired = rotation && now >= patienceEnds(rotation);
    const { finishAt } = rotation ?? {};
    const impatient = finishAt !== undefined &&
      now >= finishAt + FINISH_PATIENCE_MS;
    const graces = cluster.graces?.filter(({ until }) => now < until).length;
    return [
      this.#cluster(cluster),
      late,
      tired,
      impatient,
      graces,
      token,
      Object.values(budget).join(),
      manager,
      // Workers do not differ but by name
      ...others.sort(),
    ].join("|");
  }

  #cluster(cluster: ClusterRecord): string {
    const known = this.#clusters.get(cluster);
    if (known !== undefined) return known;
    const { root, rotation, generation, links, graces, retired } = cluster;
    const key = [
      root.certificate,
      root.generation,
      generation,
      rotation?.id,
      rotation?.phase,
      rotation?.finishAt !== undefined,
      rotation?.crossBack?.certificate,
      links?.map(({ cross }) => cross),
      graces?.map(({ cross }) => cross.certificate),
      retired?.map(({ certificate }) => certificate),
    ].join();
    this.#clusters.set(cluster, key);
    return key;
  }

  #node(node: ModelNode, now: number): string {
    const pending = node.record?.certificates.pending;
    const unseen = node.record && !node.record.certificates.current;
    const old = unseen && now - (pending?.issuedAt ?? 0) > 10 * MINUTE;
    return `${this.#still(node)}${old ? "!" : ""}`;
  }

  #still(node: ModelNode): string {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const { disk, received, record, inbox, pinned, online, behind } = node;
    const { current, pending } = record?.certificates ?? {};
    const key = [
      online ? node.connection[0] : "-",
      behind,
      leafKey(disk?.leaf),
      disk?.bundle.join("+"),
      leafKey(received),
      inbox.map(bundleKey).join(">"),
      pinned,
      bundleKey(node.pushed),
      recordKey(current),
      recordKey(pending),
      record?.trusts,
    ].join(";");
    this.#nodes.set(node, key);
    return key;
  }
}

function bundleKey(bundle: Bundle | undefined): string {
  const crosses = bundle?.roots.map(({ cross }) => cross) ?? [];
  return bundle ? `${bundle.digest}(${crosses.join()})` : "";
}

function leafKey(leaf: Leaf | undefined): string {
  return leaf ? `${leaf.print}${leaf.issuer}(${leaf.chain.join()})` : "";
}

function recordKey(record: CertificateRecord | undefined): string {
  return record ? `${record.fingerprint}${record.issuerKeyId}` : "";
}
