import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import type { Store, Transaction, View } from "../../lib/cluster/store.ts";
import { ChainWalk } from "../../lib/cluster/audit_chain.ts";
import { sha256 } from "../fakes/sha256.ts";
import { sampleEntry, sampleNode, unlinked } from "./store_samples.ts";

/** What a random transaction does, step by step. */
export type Step =
  | { readonly do: "put"; readonly id: string; readonly value: number }
  | { readonly do: "remove"; readonly id: string }
  | { readonly do: "append"; readonly why: string };

/** A random transaction; one that fails throws after its last step. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly fails: boolean;
}

/** Groups of transactions; those of a group are asked for at once. */
export type Script = readonly (readonly Plan[])[];

/** The state as a plain map and a plain list: what any engine must equal. */
interface Model {
  readonly nodes: Map<string, NodeRecord>;
  readonly log: string[];
}

/** Scripts in which transactions meet: few ids, many of them the same. */
export function scripts(): fc.Arbitrary<Script> {
  const id = fc.constantFrom("a", "b", "c", "d", "aa", "B");
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant("put" as const), id, value: fc.nat(9) }),
    fc.record({ do: fc.constant("remove" as const), id }),
    fc.record({
      do: fc.constant("append" as const),
      why: fc.string({ maxLength: 3 }),
    }),
  );
  const plan = fc.record({
    steps: fc.array(step, { maxLength: 6 }),
    fails: fc.boolean(),
  });
  return fc.array(fc.array(plan, { maxLength: 5 }), { maxLength: 5 });
}

/** Runs a script on a store and on the model, and compares all the way. */
export async function runScript(store: Store, script: Script): Promise<void> {
  let model: Model = { nodes: new Map(), log: [] };
  for (const plans of script) {
    const outcomes = await Promise.allSettled(
      plans.map((plan) => store.update((t) => runPlan(t, plan))),
    );
    for (const [i, plan] of plans.entries()) {
      const next = { nodes: new Map(model.nodes), log: [...model.log] };
      for (const step of plan.steps) stepModel(next, step);
      // The transaction saw, at its end, exactly what the model says.
      assertEquals(outcomeOf(outcomes[i]), lookAtModel(next));
      if (!plan.fails) model = next;
    }
    assertEquals(store.view(lookAt), lookAtModel(model));
  }
  const entries = await store.entries("audit", { after: 0, limit: 1_000 });
  assertEquals(
    entries.map(unlinked),
    model.log.map((why, i) => ({ sequence: i + 1, ...sampleEntry(why) })),
  );
  const walk = new ChainWalk({
    sha256: (data) => Promise.resolve(sha256(data)),
  });
  assertEquals(await walk.read(entries), undefined);
  assertEquals(walk.from, entries.length > 0 ? 1 : undefined);
}

/** Everything that a view shows. */
export function lookAt(view: View) {
  return {
    nodes: [...view.list("node")],
    gets: [...view.list("node")].map((node) => view.get("node", node.id)),
    count: view.count("node"),
    last: view.last("audit"),
  };
}

class Planned extends Error {
  readonly seen: unknown;

  constructor(seen: unknown) {
    super("planned");
    this.seen = seen;
  }
}

function runPlan(t: Transaction, plan: Plan): unknown {
  for (const step of plan.steps) stepStore(t, step);
  const seen = lookAt(t);
  if (plan.fails) throw new Planned(seen);
  return seen;
}

function stepStore(t: Transaction, step: Step): void {
  if (step.do === "remove") return t.remove("node", step.id);
  if (step.do === "append") {
    t.append("audit", sampleEntry(step.why));
    return;
  }
  t.put("node", step.id, sampleNode(step.id, step.value));
}

function stepModel(model: Model, step: Step): void {
  if (step.do === "remove") model.nodes.delete(step.id);
  else if (step.do === "append") model.log.push(step.why);
  else model.nodes.set(step.id, sampleNode(step.id, step.value));
}

function lookAtModel({ nodes, log }: Model) {
  const listed = [...nodes.keys()].sort().map((id) => nodes.get(id));
  return {
    nodes: listed,
    gets: listed,
    count: nodes.size,
    last: log.length,
  };
}

function outcomeOf(outcome: PromiseSettledResult<unknown> | undefined) {
  if (outcome?.status === "fulfilled") return outcome.value;
  if (outcome?.reason instanceof Planned) return outcome.reason.seen;
  throw outcome?.reason;
}
