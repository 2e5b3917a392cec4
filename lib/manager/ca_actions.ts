import * as z from "zod/mini";
import type { EndedSummary, RotationSummary } from "../cluster/local_api.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import { factsOf } from "../cluster/root_views.ts";
import type { EndedRotation } from "../cluster/root_record.ts";
import type { Store } from "../cluster/store.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import { mustCluster } from "./records.ts";
import type { RotationDesk } from "./rotation_desk.ts";
import type { RotationWish } from "./rotation_orders.ts";

/** What the operator's changes of the authority work with. */
export interface CaActionParts {
  readonly store: Store;
  readonly rotation: RotationDesk;
}

const rotate = z.object({
  deadlineMs: z.optional(z.number().check(z.gte(0))),
  quorum: z.optional(z.number().check(z.gte(0), z.lte(1))),
  trustFirst: z.optional(z.boolean()),
  authority: z.optional(z.union([
    z.object({
      certificatesPem: z.string(),
      keyPem: z.string(),
      passphrase: z.optional(z.string()),
    }),
    z.object({
      certificatesPem: z.optional(z.string()),
      external: z.array(z.object({
        url: z.string(),
        profile: z.optional(z.string()),
        authKey: z.optional(z.string()),
        rootsPem: z.string(),
        identity: z.optional(
          z.object({ chainPem: z.string(), keyPem: z.string() }),
        ),
      })).check(z.minLength(1), z.maxLength(4)),
    }),
  ])),
});

const cut = z.object({ cutAll: z.boolean() });

/** What an operator may do to the root. */
export function caActions(parts: CaActionParts): Actions {
  const { rotation } = parts;
  return {
    "/v1/ca/rotate": async (body) => {
      const id = await rotation.start(readWish(body));
      // A small cluster may be done with it by now
      return {
        ...await rotationSummary(parts),
        ...(id !== undefined && { id }),
      };
    },
    "/v1/ca/rehearse": (body) => rotation.rehearsal.run(readWish(body)),
    "/v1/ca/cut-off": async (body) => {
      const report = await rotation.cutOff(readBody(cut, body));
      return { ...report, root: (await rotationSummary(parts)).root };
    },
    "/v1/ca/abort": async () => {
      await rotation.abort();
      return await rotationSummary(parts);
    },
    "/v1/ca/finish": async () => {
      await rotation.finish();
      return await rotationSummary(parts);
    },
  };
}

function readWish(body: unknown): RotationWish {
  const { deadlineMs, quorum, trustFirst, authority } = readBody(rotate, body);
  return {
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(quorum !== undefined && { quorum }),
    ...(trustFirst && { trustFirst }),
    ...(authority && { authority }),
  };
}

/** Where the rotation of the root stands. */
export async function rotationSummary(
  { store, rotation: desk }: CaActionParts,
): Promise<RotationSummary> {
  const cluster: ClusterRecord = store.view(mustCluster);
  const root = factsOf(cluster.root).digest;
  const { rotation } = cluster;
  const progress = await desk.progress();
  const last = lastOf(cluster);
  if (!rotation || !progress) {
    const nobody = { done: 0, total: 0, stragglers: [] };
    return { phase: "stable", root, ...nobody, ...last };
  }
  const alarms = desk.alarms();
  const { done, total, stragglers } = progress;
  return {
    phase: rotation.phase,
    id: rotation.id,
    root,
    target: rotation.target.facts.digest,
    done,
    total,
    stragglers,
    startedAt: new Date(rotation.startedAt).toISOString(),
    deadline: new Date(rotation.deadline).toISOString(),
    ...(alarms.length > 0 && { alarms }),
    ...last,
  };
}

function lastOf(
  { lastRotation, rotation }: ClusterRecord,
): Pick<RotationSummary, "lastRotation"> {
  if (!lastRotation) return {};
  const { stragglers, more, before = [], ...newest } = lastRotation;
  const late = { stragglers, ...(more !== undefined && { more }) };
  return {
    lastRotation: {
      ...endedOf(newest),
      ...(!rotation && late),
      before: before.map(endedOf),
    },
  };
}

function endedOf({ id, outcome, root, at }: EndedRotation): EndedSummary {
  return { id, outcome, root, at: new Date(at).toISOString() };
}
