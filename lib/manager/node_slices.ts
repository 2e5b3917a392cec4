import { slices } from "../base/slices.ts";
import { type Clock, sleep } from "../base/time.ts";
import type { NodeRecord } from "../cluster/node.ts";
import type { Store } from "../cluster/store.ts";

/**
 * All nodes in order of id, so many in a turn: others have one in between, and
 * each node is as it is then. Who joins meanwhile is left out.
 */
export async function* nodeSlices(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  size: number,
): AsyncGenerator<readonly NodeRecord[]> {
  const ids = store.view((view) => view.ids("node"));
  const pause = () => sleep(clock, 0);
  for await (const slice of slices(ids, { size, pause })) {
    yield store.view((view) =>
      slice.map((id) => view.get("node", id))
        .filter((node) => node !== undefined)
    );
  }
}
