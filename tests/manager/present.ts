import { assert } from "@std/assert";
import { type Caller, codeOf, newSession } from "./caller.ts";
import { House, type HouseOptions, type TestNode } from "./house.ts";

/** A node with an open session. */
export interface Present {
  readonly node: TestNode;
  readonly caller: Caller;
  readonly session: string;
}

export async function present(
  house: House,
  given?: TestNode,
): Promise<Present> {
  const node = given ?? await house.addNode();
  const caller = house.connect(node.chain);
  const session = house.newId();
  const hello = await caller.hello(newSession(session));
  assert(hello && "result" in hello, Deno.inspect(hello));
  return { node, caller, session };
}

export async function opened(options: HouseOptions = {}) {
  const house = await House.open(options);
  return { house, ...await present(house) };
}

/** The same session on another connection. */
export async function resume(
  house: House,
  { session, node, lastSeen = 0 }: Omit<Present, "caller"> & {
    readonly lastSeen?: number;
  },
) {
  const caller = house.connect(node.chain);
  const wanted = newSession(session, { resume: true, lastSeen });
  return { caller, answer: await caller.hello(wanted) };
}

export function sessionIn(
  answer: Awaited<ReturnType<Caller["hello"]>>,
): unknown {
  return answer && "result" in answer
    ? (answer.result as Record<string, unknown>)["session"]
    : codeOf(answer);
}
