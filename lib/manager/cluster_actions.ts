import * as z from "zod/mini";
import type { Clock } from "../base/time.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import type { ClusterSummary } from "../cluster/local_api.ts";
import { recoverySettings } from "../cluster/recovery.ts";
import { changeSettings } from "../cluster/settings.ts";
import type { Store } from "../cluster/store.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";

/** What the operator's changes of the cluster work with. */
export interface ClusterActionParts {
  readonly store: Store;
  readonly clock: Clock;
}

/** One field for each setting of lib/cluster/settings.ts. */
const settings = z.strictObject({
  requireApproval: z.optional(z.boolean()),
  leafLifeMs: z.optional(z.number().check(z.int())),
  recoveryWindowMs: z.optional(z.number().check(z.int())),
  recoveryLimit: z.optional(z.number().check(z.int())),
});

/** What an operator may do to the cluster as a whole. */
export function clusterActions({ store, clock }: ClusterActionParts): Actions {
  return {
    "/v1/cluster/update": async (body) => {
      const changes = readBody(settings, body);
      const change = { changes, by: "operator", now: clock.now() };
      return summarise(await store.update((tx) => changeSettings(tx, change)));
    },
  };
}

/** The cluster and its settings, as operators see them. */
export function summarise(cluster: ClusterRecord): ClusterSummary {
  const recovery = recoverySettings(cluster);
  return {
    id: cluster.id,
    createdAt: new Date(cluster.createdAt).toISOString(),
    drill: cluster.drill,
    managers: [...cluster.managers],
    certExpiryMs: cluster.leafLifeMs,
    requireApproval: cluster.requireApproval ?? false,
    recoveryWindowMs: recovery.windowMs,
    recoveryLimit: recovery.limit,
  };
}
