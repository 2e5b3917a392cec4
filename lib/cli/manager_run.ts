import type { Bytes } from "../base/bytes.ts";
import { hasCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { CLUSTER_KEY_VERSION } from "../cluster/cluster.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import {
  type IdentityFiles,
  openIdentityFiles,
} from "../disk/identity_files.ts";
import { machineFacts } from "../disk/machine.ts";
import { holdsAnything, holdsCluster } from "../disk/state_directory.ts";
import { makeCluster } from "../manager/bootstrap.ts";
import type { Authorities } from "../manager/authorities.ts";
import type {
  AuthoritySource,
  ReadAuthority,
} from "../manager/authority_source.ts";
import { CrlAnswers } from "../manager/crl_answer.ts";
import { answerRemotely } from "../manager/http_api.ts";
import { audit } from "../cluster/audit.ts";
import type { ClusterKeys, SealedThings } from "../manager/cluster_keys.ts";
import type { Sealing } from "../manager/housekeeping.ts";
import { SealedIdentity } from "../manager/sealed_identity.ts";
import { sealedStore } from "../manager/sealed_store.ts";
import type { KeyRing } from "../pki/cluster_key_file.ts";
import { mustCluster } from "../manager/records.ts";
import { ManagerApi } from "../manager/local_api.ts";
import { Manager } from "../manager/manager.ts";
import {
  type RevocationListParts,
  RevocationLists,
} from "../manager/revocation_lists.ts";
import { LogThrottle } from "../base/log_throttle.ts";
import {
  serverCrypto,
  systemClock,
  systemCrypto,
  systemRandom,
} from "../net/system.ts";
import { tlsDialer } from "../net/tls_client.ts";
import { assertCanListen, listenTls } from "../net/tls_server.ts";
import type { Crypto } from "../pki/crypto.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { advertisedByDefault } from "./advertise.ts";
import { readAuthorityFiles } from "./authority_files.ts";
import { type Daemon, openDaemon } from "./daemon.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import {
  finishSealing,
  makeKeys,
  type OpenedKeys,
  openKeys,
} from "./manager_keys.ts";
import {
  crlIssuer,
  openAuthorities,
  openAuthority,
} from "./manager_authority.ts";
import { OperatorDesk } from "./operator_desk.ts";
import type { ManagerInit, ManagerOptions } from "./options.ts";
import {
  type ManagerPlace,
  readManagerPlace,
  writeManagerPlace,
} from "./manager_place.ts";
import { VERSION } from "./version.ts";

/** Composition root of the manager: the one place that knows its adapters. */
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
  const inner = await openStore(stateDir, { create: !!init, logger });
  const store = sealedStore(inner, keys.ring);
  try {
    const place = init
      ? await initialise(store, {
        ...{ init, keyRing: keys.ring, stateDir },
        ...(source && { source }),
      })
      : await resume(store, stateDir);
    await recordUnlock(store, opened);
    await serve(daemon, options, { store, keys, desk, place });
  } finally {
    await store.close();
  }
}

interface Opened {
  readonly store: Store;
  readonly keys: ClusterKeys;
  readonly desk: OperatorDesk;
  readonly place: ManagerPlace;
}

/** Before anything is touched: a half-deleted directory never becomes a new cluster (W30). */
async function refuseUsed(stateDir: string): Promise<void> {
  const found = await holdsAnything(stateDir);
  if (found.length === 0) return;
  const isCluster = (await holdsCluster(stateDir)).length > 0;
  const run = isCluster
    ? "Serve what is there with `swarmd manager run`"
    : "It is a worker's: go on there with `swarmd worker run`";
  throw new SwarmdError(
    "already-initialised",
    `Cannot make a cluster in "${stateDir}": found ${found.join(", ")}`,
    {
      verdict: "stop",
      hint: `${run}, or name an empty directory with --state-dir`,
    },
  );
}

/** Before anything is made: the directory may be mistyped. */
async function refuseUnused(stateDir: string): Promise<void> {
  const found = await holdsAnything(stateDir);
  if (found.length === 0) throw await noCluster(stateDir);
}

async function openStore(
  stateDir: string,
  options: { readonly create: boolean; readonly logger: Logger },
): Promise<Store> {
  try {
    return await openSqliteStore(`${stateDir}/swarmd.db`, options);
  } catch (error) {
    if (hasCode(error, "not-initialised")) throw await noCluster(stateDir);
    throw error;
  }
}

async function resume(store: Store, stateDir: string): Promise<ManagerPlace> {
  const cluster = store.view((view) => view.get("cluster", CLUSTER));
  if (cluster) return await readManagerPlace(stateDir);
  throw await noCluster(stateDir);
}

/** The parts of a cluster are no cluster: an interrupted `init`, or a loss. */
async function noCluster(stateDir: string): Promise<SwarmdError> {
  const found = await holdsAnything(stateDir);
  const text = `Cannot serve "${stateDir}": it holds no cluster`;
  if (found.length === 0) {
    return new SwarmdError("not-initialised", text, {
      verdict: "stop",
      hint:
        "Make a cluster with `swarmd manager init`, or name its directory with --state-dir",
    });
  }
  // What `init` makes first, and what comes only after the cluster.
  const mayBeInit = found.includes("cluster.key") &&
    !found.includes("identities");
  const restore = "restore what is missing from a backup";
  return new SwarmdError(
    "not-initialised",
    `${text}, only ${found.join(", ")}`,
    {
      verdict: "stop",
      hint: mayBeInit
        ? `If \`swarmd manager init\` was interrupted here, delete these and run it again; if not, ${restore}`
        : `Name another directory with --state-dir, or ${restore}`,
    },
  );
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

async function serve(
  daemon: Daemon,
  options: ManagerOptions,
  { store, keys, desk, place }: Opened,
): Promise<void> {
  const { stateDir } = options;
  const keyRing = keys.ring;
  const around = { clock: systemClock, logger: daemon.logger };
  const parts = { ...around, store, keyRing, crypto: await serverCrypto() };
  const files = await openIdentityFiles(stateDir);
  const { identity, ...sealed } = await openSealed(files, { ...parts, keys });
  const authorities = await openAuthorities(parts);
  const machine = await machineFacts(VERSION);
  const refused = httpRefusals(daemon.logger);
  const manager: Manager = new Manager({
    ports: {
      ...parts,
      random: systemRandom,
      identity,
      dialer: tlsDialer({ clock: systemClock }),
      authorities,
      readAuthority: authorityReader(store, place),
      listen: (credentials, accept) =>
        listenTls({
          listen: place.listen,
          credentials,
          accept,
          http: (request) =>
            answerRemotely(request, {
              identify: (facts) => manager.desk.identify(facts),
              answer: (asked) => api.answer(asked),
              crl: (asked) => crl.answer(asked),
              refused,
            }),
          ...around,
        }),
    },
    settings: { ...machine, advertise: place.advertise },
    keyRing,
    event: daemon.event,
    sealing: sealingOf(keys, sealed.things),
  });
  const api: ManagerApi = new ManagerApi({
    manager,
    ...parts,
    version: VERSION,
    autolock: { ...sealed, renewOwn: () => manager.renewSelf() },
  });
  const crl = crlAnswers(manager, { ...parts, authorities });
  await using operators = desk;
  await operators.serve((request) => api.operate(request));
  await manager.run(daemon.signal, async () => {
    const listen = manager.endpoint ?? place.listen;
    await writeManagerPlace(stateDir, { ...place, listen });
    const { root } = authorities;
    const facts = { store, keys, ...options, listen, root };
    await announce(daemon, manager, facts);
  });
}

/** Reads authorities for the cluster as it is when each is given. */
function authorityReader(
  store: Store,
  { advertise }: Opened["place"],
): ReadAuthority {
  return (texts, bounds) => {
    const { leafLifeMs } = store.view(mustCluster);
    return openAuthority(texts, { leafLifeMs, advertise, ...bounds });
  };
}

/** What the keys seal beside the store; what a crash left is finished first. */
async function openSealed(
  identity: IdentityFiles,
  { keys, logger, ...parts }: {
    readonly keys: ClusterKeys;
    readonly store: Store;
    readonly crypto: Crypto;
    readonly logger: Logger;
  },
) {
  const locked = () => keys.locked;
  const sealed = { ...parts, identity, ring: keys.ring, locked };
  const things = {
    store: parts.store,
    identity: new SealedIdentity(sealed),
    now: () => systemClock.now(),
  };
  await finishSealing(keys, things, logger);
  return { identity: things.identity, things, keys, logger };
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

async function unlockKeyOf(keys: ClusterKeys): Promise<{ unlockKey?: string }> {
  const key = await keys.unlockKey();
  return key ? { unlockKey: key.unlockKey } : {};
}

function crlAnswers(
  { denylist, clockGuard: { clock } }: Manager,
  parts: Omit<RevocationListParts, "denylist" | "issuers" | "clock"> & {
    readonly authorities: Authorities;
  },
): CrlAnswers {
  const issuers = () =>
    parts.authorities.issuers.map((each) => crlIssuer(parts.crypto, each));
  const lists = new RevocationLists({ ...parts, clock, denylist, issuers });
  return new CrlAnswers(lists, clock);
}

/** What the manager goes on with that a change of keys left half done. */
function sealingOf(keys: ClusterKeys, things: SealedThings): Sealing {
  return {
    unfinished: () => keys.unfinished,
    finish: () => keys.finish(things),
  };
}

/** Strangers may ask as often as they like. */
function httpRefusals(logger: Logger) {
  const throttle = new LogThrottle(logger, systemClock);
  return ({ code, message: why }: SwarmdError, facts?: PeerFacts): void =>
    throttle.warn("HTTP request refused", {
      code,
      why,
      ...(facts && { remote: facts.remote.host }),
    });
}

async function announce(
  daemon: Daemon,
  manager: Manager,
  facts: {
    readonly store: Store;
    readonly keys: ClusterKeys;
    readonly init?: ManagerInit;
    readonly listen: ManagerPlace["listen"];
    readonly root: { readonly der: Bytes };
  },
): Promise<void> {
  const cluster = facts.store.view((view) => view.get("cluster", CLUSTER));
  const digest = await rootDigest(systemCrypto, facts.root.der);
  const { tokens } = manager;
  daemon.event({
    event: "ready",
    cluster: cluster?.id ?? "",
    node: manager.nodeId,
    listen: formatEndpoint(facts.listen),
    rootDigest: formatDigest(digest),
    managers: cluster?.managers ?? [],
    ...(facts.init && {
      joinTokens: {
        worker: await tokens.show("worker"),
        manager: await tokens.show("manager"),
      },
      ...await unlockKeyOf(facts.keys),
    }),
  });
}
