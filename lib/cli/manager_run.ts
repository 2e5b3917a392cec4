import { type Bytes, fromBase64, toBase64 } from "../base/bytes.ts";
import { hasCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { CLUSTER_KEY_VERSION } from "../cluster/cluster.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import { openIdentityFiles } from "../disk/identity_files.ts";
import { machineFacts } from "../disk/machine.ts";
import { createSecretFile, readSecretFile } from "../disk/secret_file.ts";
import { holdsAnything } from "../disk/state_directory.ts";
import { makeCluster } from "../manager/bootstrap.ts";
import { type Authority, openAuthority } from "../manager/authority.ts";
import { CrlAnswers } from "../manager/crl_answer.ts";
import { answerRemotely } from "../manager/http_api.ts";
import { ManagerApi } from "../manager/local_api.ts";
import { Manager } from "../manager/manager.ts";
import {
  type CrlIssuer,
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
import { assertCanListen, listenTls } from "../net/tls_server.ts";
import { signingAlgorithm } from "../pki/algorithms.ts";
import type { Crypto } from "../pki/crypto.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { localSigner } from "../signer/local.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { advertisedByDefault } from "./advertise.ts";
import { type Daemon, openDaemon } from "./daemon.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { ManagerInit, ManagerOptions } from "./options.ts";
import {
  type ManagerPlace,
  readManagerPlace,
  writeManagerPlace,
} from "./manager_place.ts";
import { VERSION } from "./version.ts";

const KEY_BYTES = 32;

/** Composition root of the manager: the one place that knows its adapters. */
export async function runManager(options: ManagerOptions): Promise<number> {
  const { stateDir, init } = options;
  if (init) await refuseUsed(stateDir);
  const command = init ? "manager init" : "manager run";
  await using daemon = await openDaemon(options, command);
  if (init) {
    await refuseUsed(stateDir);
    assertCanListen(init.listen);
  }
  const keyRing = await openKeyRing(stateDir, init !== undefined);
  const { logger } = daemon;
  const store = await openStore(stateDir, { create: !!init, logger });
  try {
    const place = init
      ? await initialise(store, { init, keyRing, stateDir })
      : await resume(store, stateDir);
    await serve(daemon, options, { store, keyRing, place });
    return EXIT_CODES.ok.number;
  } finally {
    await store.close();
  }
}

type KeyRing = ReadonlyMap<number, Bytes>;

interface Opened {
  readonly store: Store;
  readonly keyRing: KeyRing;
  readonly place: ManagerPlace;
}

/** Before anything is touched: a half-deleted directory never becomes a new cluster (W30). */
async function refuseUsed(stateDir: string): Promise<void> {
  const found = await holdsAnything(stateDir);
  if (found.length === 0) return;
  throw new SwarmdError(
    "already-initialised",
    `Cannot make a cluster in "${stateDir}": found ${found.join(", ")}`,
    {
      verdict: "stop",
      hint:
        "Serve what is there with `swarmd manager run`, or name an empty directory with --state-dir",
    },
  );
}

async function openKeyRing(stateDir: string, make: boolean): Promise<KeyRing> {
  const path = `${stateDir}/cluster.key`;
  if (make) {
    const key = toBase64(systemRandom.bytes(KEY_BYTES));
    await createSecretFile(path, `${CLUSTER_KEY_VERSION}:${key}\n`);
  }
  const text = await readSecretFile(path);
  const [, version, key] = /^(\d{1,9}):(\S+)\n?$/.exec(text ?? "") ?? [];
  if (text === undefined) throw await noCluster(stateDir);
  if (version === undefined || key === undefined) {
    throw new SwarmdError(
      "damaged-state",
      `Cannot read "${path}": found no key of the form VERSION:BASE64`,
      { verdict: "stop", hint: "Restore the file from a backup" },
    );
  }
  return new Map([[Number(version), fromBase64(key)]]);
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
      hint: "Make a cluster with `swarmd manager init`",
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
  },
): Promise<ManagerPlace> {
  const { init: { listen, leafLifeMs, drill }, keyRing, stateDir } = plan;
  const given = plan.init.advertise;
  const advertise = given.length > 0 ? given : advertisedByDefault(listen);
  const place = { listen, advertise };
  await writeManagerPlace(stateDir, place);
  await makeCluster(store, {
    crypto: systemCrypto,
    random: systemRandom,
    now: systemClock.now(),
    clusterKey: keyRing.get(CLUSTER_KEY_VERSION) ?? new Uint8Array(),
    leafLifeMs,
    drill,
  });
  return place;
}

async function serve(
  daemon: Daemon,
  options: ManagerOptions,
  { store, keyRing, place }: Opened,
): Promise<void> {
  const { stateDir } = options;
  const around = { clock: systemClock, logger: daemon.logger };
  const parts = { ...around, store, keyRing, crypto: await serverCrypto() };
  const authority = await openAuthority(parts);
  const { hostname, os, arch } = await machineFacts(VERSION);
  const refused = httpRefusals(daemon.logger);
  const manager: Manager = new Manager({
    ports: {
      ...parts,
      random: systemRandom,
      identity: await openIdentityFiles(stateDir),
      signer: localSigner(parts.crypto, authority),
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
    settings: {
      version: VERSION,
      hostname,
      os,
      arch,
      advertise: place.advertise,
    },
    keyRing,
    event: daemon.event,
  });
  const api: ManagerApi = new ManagerApi({
    manager,
    ...parts,
    version: VERSION,
  });
  const crl = crlAnswers(manager, { ...parts, authority });
  await using operators = await daemon.serveOperators((r) => api.operate(r));
  void operators;
  await manager.run(daemon.signal, async () => {
    const listen = manager.endpoint ?? place.listen;
    await writeManagerPlace(stateDir, { ...place, listen });
    await announce(daemon, manager, { store, ...options, listen, authority });
  });
  daemon.event({ event: "stopped", reason: String(daemon.signal.reason) });
}

function crlAnswers(
  { denylist }: Manager,
  parts: Omit<RevocationListParts, "denylist" | "issuers"> & {
    readonly authority: Authority;
  },
): CrlAnswers {
  const issuer = crlIssuer(parts.crypto, parts.authority);
  const issuers = () => [issuer];
  const lists = new RevocationLists({ ...parts, denylist, issuers });
  return new CrlAnswers(lists, parts.clock);
}

function crlIssuer(crypto: Crypto, { root, key }: Authority): CrlIssuer {
  const algorithm = signingAlgorithm(root.publicKeyType);
  const sign = (tbs: Bytes) => crypto.sign(key, tbs);
  return { certificate: root, key: { algorithm, sign } };
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
    readonly init?: ManagerInit;
    readonly listen: ManagerPlace["listen"];
    readonly authority: { readonly root: { readonly der: Bytes } };
  },
): Promise<void> {
  const cluster = facts.store.view((view) => view.get("cluster", CLUSTER));
  const digest = await rootDigest(systemCrypto, facts.authority.root.der);
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
    }),
  });
}
