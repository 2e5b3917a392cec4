import type { ClusterRecord } from "./cluster.ts";
import type {
  EndedRotation,
  LastRotation,
  RotationOutcome,
  RotationRecord,
  Straggler,
} from "./root_record.ts";
import { factsOf } from "./root_views.ts";

/** Stragglers that are kept of the rotation that ended last. */
export const MAX_KEPT_STRAGGLERS = 10_000;
/** Rotations before it that are remembered. */
const MAX_BEFORE = 16;

/**
 * The record after a change, with the end of the rotation in it, if that is
 * what the change was.
 */
export function withEnd(
  before: ClusterRecord,
  after: ClusterRecord,
  { now: at, stragglers }: {
    /** Wall clock, in milliseconds. */
    readonly now: number;
    /** Who was not done yet; called only when it ended. */
    readonly stragglers: () => readonly Straggler[];
  },
): ClusterRecord {
  const { rotation } = before;
  if (!rotation || after.rotation?.id === rotation.id) return after;
  const outcome = outcomeOf(rotation, { before, after });
  const { digest: root } = factsOf(after.root);
  const late = outcome === "replaced" ? [] : stragglers();
  return keepEnd(after, { id: rotation.id, outcome, root, at }, late);
}

/** The record with a rotation as the last one that ended. */
export function keepEnd(
  cluster: ClusterRecord,
  ended: EndedRotation,
  stragglers: readonly Straggler[],
): ClusterRecord {
  const more = stragglers.length - MAX_KEPT_STRAGGLERS;
  const before = endedRotations(cluster).slice(0, MAX_BEFORE);
  const lastRotation: LastRotation = {
    ...ended,
    stragglers: stragglers.slice(0, MAX_KEPT_STRAGGLERS),
    ...(more > 0 && { more }),
    ...(before.length > 0 && { before }),
  };
  return { ...cluster, lastRotation };
}

/** The rotations that are over and remembered, newest first. */
export function endedRotations(
  { lastRotation: last }: Pick<ClusterRecord, "lastRotation">,
): readonly EndedRotation[] {
  if (!last) return [];
  const { stragglers: _, more: __, before = [], ...newest } = last;
  return [newest, ...before];
}

function outcomeOf(
  { target }: RotationRecord,
  { before, after }: {
    readonly before: ClusterRecord;
    readonly after: ClusterRecord;
  },
): RotationOutcome {
  const { generation } = after.root;
  if (after.rotation) return "replaced";
  if (generation === target.generation) return "finished";
  // Neither the one nor the other: the present root was cut off
  return generation === before.root.generation ? "aborted" : "replaced";
}
