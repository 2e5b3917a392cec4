import { CLUSTER_KEY_VERSION } from "../cluster/cluster.ts";
import type { Store } from "../cluster/store.ts";
import { makeCluster } from "../manager/bootstrap.ts";
import type { AuthoritySource } from "../manager/authority_source.ts";
import { audit } from "../cluster/audit.ts";
import { sealedStore } from "../manager/sealed_store.ts";
import type { KeyRing } from "../pki/cluster_key_file.ts";
import { systemClock, systemCrypto, systemRandom } from "../net/system.ts";
import { assertCanListen } from "../net/tls_server.ts";
import { advertisedByDefault } from "./advertise.ts";
import { readAuthorityFiles } from "./authority_files.ts";
import { type Daemon, openDaemon } from "./daemon.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import { makeKeys, type OpenedKeys, openKeys } from "./manager_keys.ts";
import { openAuthority } from "./manager_authority.ts";
import { OperatorDesk } from "./operator_desk.ts";
import type { ManagerInit, ManagerOptions } from "./options.ts";
import { type ManagerPlace, writeManagerPlace } from "./manager_place.ts";
import {
  noCluster,
  openManagerStore,
  refuseUnused,
  refuseUsed,
  resumedPlace,
} from "./manager_directory.ts";
import { serve } from "./manager_serve.ts";

/** Makes or opens a cluster, unlocks it, and serves it until a signal. */
export async function runManager(options: ManagerOptions): Promise<number> {
  const { stateDir, init } = options;
  await (init ? refuseUsed(stateDir) : refuseUnused(stateDir));
  const source = init && await authorityOf(init, options.host);
  const command = init ? "manager init" : "manager run";
  await using daemon = await openDaemon(options, command);
  if (init) {
    await refuseUsed(stateDir);
    assertCanListen(init.listen);
  }
  await using desk = new OperatorDesk(daemon);
  const opened = init
    ? { keys: await makeKeys(stateDir, { autolock: init.autolock ?? false }) }
    : await openKeys(daemon, { ...options, desk });
  const around = { desk, ...(source && { source }) };
  if (opened) await runUnlocked(daemon, options, { ...opened, ...around });
  else if (!daemon.signal.aborted) throw await noCluster(stateDir);
  daemon.event({ event: "stopped", reason: String(daemon.signal.reason) });
  return EXIT_CODES.ok.number;
}

async function runUnlocked(
  daemon: Daemon,
  options: ManagerOptions,
  { desk, source, ...opened }: OpenedKeys & {
    readonly desk: OperatorDesk;
    readonly source?: AuthoritySource;
  },
): Promise<void> {
  const { stateDir, init } = options;
  const { logger } = daemon;
  const { keys } = opened;
  const inner = await openManagerStore(stateDir, { create: !!init, logger });
  const store = sealedStore(inner, keys.ring);
  try {
    const place = init
      ? await initialise(store, {
        ...{ init, keyRing: keys.ring, stateDir },
        ...(source && { source }),
      })
      : await resumedPlace(store, stateDir);
    await recordUnlock(store, opened);
    await serve(daemon, options, { store, keys, desk, place });
  } finally {
    await store.close();
  }
}

async function initialise(
  store: Store,
  plan: {
    readonly init: ManagerInit;
    readonly keyRing: KeyRing;
    readonly stateDir: string;
    readonly source?: AuthoritySource;
  },
): Promise<ManagerPlace> {
  const { init, keyRing, stateDir, source } = plan;
  const { listen, leafLifeMs, drill } = init;
  const place = { listen, advertise: advertisedBy(init) };
  await writeManagerPlace(stateDir, place);
  await makeCluster(store, {
    crypto: systemCrypto,
    random: systemRandom,
    now: systemClock.now(),
    clusterKey: keyRing.get(CLUSTER_KEY_VERSION) ?? new Uint8Array(),
    leafLifeMs,
    drill,
    ...(source && { source }),
  });
  return place;
}

/** Nothing for a new root. Before anything is touched, too. */
async function authorityOf(
  init: ManagerInit,
  host: ManagerOptions["host"],
): Promise<AuthoritySource | undefined> {
  const { authority, leafLifeMs } = init;
  if (!authority) return undefined;
  const texts = await readAuthorityFiles(authority, host);
  return await openAuthority(texts, {
    leafLifeMs,
    advertise: advertisedBy(init),
  });
}

function advertisedBy({ advertise, listen }: ManagerInit) {
  return advertise.length > 0 ? advertise : advertisedByDefault(listen);
}

async function recordUnlock(
  store: Store,
  { keys: { version }, unlockedBy: by, refusals = [] }: OpenedKeys,
): Promise<void> {
  if (!by) return;
  const why = `key version ${version}`;
  const entry = { at: systemClock.now(), action: "unlocked", by, why } as const;
  await store.update((tx) => {
    for (const refused of refusals) {
      audit(tx, { ...refused, action: "refused" });
    }
    audit(tx, entry);
  });
}
