import { assertEquals } from "@std/assert";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  changeSettings,
  type SettingChanges,
} from "../../lib/cluster/settings.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { cluster, NOW } from "./samples.ts";

async function withCluster(drill = false): Promise<Store> {
  const store = new StoreDisk().open();
  await store.update((tx) => tx.put("cluster", CLUSTER, cluster({ drill })));
  return store;
}

async function change(
  store: Store,
  changes: SettingChanges,
): Promise<string> {
  try {
    const order = { changes, by: "operator", now: NOW };
    const { requireApproval, leafLifeMs } = await store
      .update((tx) => changeSettings(tx, order));
    return `${requireApproval ?? "-"} ${leafLifeMs}`;
  } catch (error) {
    return error instanceof SwarmdError ? error.message : String(error);
  }
}

// W28: what is not given stays as it is.
Deno.test("changeSettings() changes what is given, within bounds", async () => {
  const cases: [boolean, SettingChanges, string][] = [
    [false, { requireApproval: true }, `true ${90 * DAY}`],
    [false, { requireApproval: false }, `false ${90 * DAY}`],
    [false, { leafLifeMs: HOUR }, `- ${HOUR}`],
    [
      ...[false, { leafLifeMs: HOUR - SECOND, requireApproval: true }] as const,
      "Cannot set cert-expiry to 59m59s: want 1h to 3650d",
    ],
    [
      ...[false, { leafLifeMs: 3_651 * DAY }] as const,
      "Cannot set cert-expiry to 3651d: want 1h to 3650d",
    ],
    [true, { leafLifeMs: 10 * SECOND }, `- ${10 * SECOND}`],
    [
      ...[true, { leafLifeMs: 9 * SECOND }] as const,
      "Cannot set cert-expiry to 9s: want 10s to 3650d",
    ],
  ];
  for (const [drill, changes, want] of cases) {
    const store = await withCluster(drill);
    assertEquals(await change(store, changes), want);
    // All of it, or nothing.
    const after = store.view((view) => view.get("cluster", CLUSTER));
    if (want.startsWith("Cannot")) assertEquals(after, cluster({ drill }));
  }
});

Deno.test("changeSettings() audits what changed, and only that", async () => {
  const store = await withCluster();
  await change(store, { requireApproval: true, leafLifeMs: 30 * DAY });
  await change(store, { requireApproval: true });
  const entries = await store.entries("audit", { after: 0, limit: 9 });
  assertEquals(entries.map(({ action, why }) => [action, why]), [
    ["cluster-changed", "require-approval on, cert-expiry 30d"],
  ]);
});
