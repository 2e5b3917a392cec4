import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import {
  type IdentityFiles,
  openIdentityFiles,
} from "../disk/identity_files.ts";
import { machineFacts } from "../disk/machine.ts";
import type { Authorities } from "../manager/authorities.ts";
import type { ReadAuthority } from "../manager/authority_source.ts";
import { CrlAnswers } from "../manager/crl_answer.ts";
import { answerRemotely } from "../manager/http_api.ts";
import type { ClusterKeys, SealedThings } from "../manager/cluster_keys.ts";
import type { Sealing } from "../manager/housekeeping.ts";
import { SealedIdentity } from "../manager/sealed_identity.ts";
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
import { listenTls } from "../net/tls_server.ts";
import type { Crypto } from "../pki/crypto.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import type { Daemon } from "./daemon.ts";
import { finishSealing } from "./manager_keys.ts";
import {
  crlIssuer,
  openAuthorities,
  openAuthority,
} from "./manager_authority.ts";
import type { OperatorDesk } from "./operator_desk.ts";
import type { ManagerInit, ManagerOptions } from "./options.ts";
import { type ManagerPlace, writeManagerPlace } from "./manager_place.ts";
import { VERSION } from "./version.ts";

/** A cluster that was opened, and how it is served. */
export interface Opened {
  readonly store: Store;
  readonly keys: ClusterKeys;
  readonly desk: OperatorDesk;
  readonly place: ManagerPlace;
}

/**
 * Composition root of the manager: the one place that knows its adapters. Serves
 * an opened cluster until the daemon is told to end.
 */
export async function serve(
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
