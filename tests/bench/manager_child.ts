import { parseArgs } from "@std/cli";
import { utf8 } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { HOUR } from "../../lib/base/time.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { openIdentityFiles } from "../../lib/disk/identity_files.ts";
import { ManagerApi } from "../../lib/manager/local_api.ts";
import { Manager } from "../../lib/manager/manager.ts";
import { mustCluster } from "../../lib/manager/records.ts";
import { systemClock, systemRandom } from "../../lib/net/system.ts";
import { DEFAULT_LIMITS } from "../../lib/net/connection_limits.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import { tlsDialer } from "../../lib/net/tls_client.ts";
import { listenTls } from "../../lib/net/tls_server.ts";
import { serveParent } from "./child.ts";
import { openCluster } from "./cluster.ts";
import { sharedNow } from "./member.ts";
import { RenewalRush } from "./renewal_rush.ts";

/**
 * A manager as `swarmd manager run` makes it, which can also be told to have
 * its workers renew. `--folder` holds the cluster, `--port` is listened on,
 * nodes beat every `--heartbeat` milliseconds.
 */
const { folder, port, open, heartbeat } = parseArgs(Deno.args, {
  string: ["folder", "port", "heartbeat"],
  boolean: ["open"],
});
// Joining nodes are strangers: one address may bring 200 of them a second.
const many = { ratePerSecond: 1e6, burst: 1e6, maxAnonymous: 1e4 };
const limits = open ? { ...DEFAULT_LIMITS, ...many } : DEFAULT_LIMITS;

makeTrustStorePrivate();
// Of an hour: no node gets two certificates within a thousandth of a life.
await using cluster = await openCluster({
  folder: String(folder),
  leafLifeMs: HOUR,
  ...(heartbeat !== undefined && { heartbeatMs: Number(heartbeat) }),
});
const { store, crypto, authorities, keyRing } = cluster;
const manager = new Manager({
  ports: {
    store,
    crypto,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    identity: await openIdentityFiles(String(folder)),
    authorities,
    dialer: tlsDialer({ clock: systemClock }),
    listen: (credentials, accept) =>
      listenTls({
        listen: { host: "127.0.0.1", port: Number(port ?? 0) },
        credentials,
        accept,
        limits,
        clock: systemClock,
        logger: silentLogger,
      }),
  },
  settings: {
    version: "bench",
    hostname: "bench",
    os: "linux",
    arch: "x86_64",
    advertise: [{ host: "127.0.0.1" }],
  },
  keyRing,
  event: () => {},
});

/** What a write carries, in bytes. */
const FILL_BYTES = 256 * 1024;
/** What is to wait here: the most that a connection may have so. */
const FULL_BYTES = 7 * FILL_BYTES;
const MAX_FILLS = 16;
/** In which the system takes what it takes, in milliseconds. */
const FILL_REST_MS = 50;

const stop = new AbortController();
const ready = Promise.withResolvers<void>();
const running = manager.run(
  stop.signal,
  () => Promise.resolve(ready.resolve()),
);
await Promise.race([ready.promise, running]);
const hello = {
  port: manager.endpoint?.port,
  token: await manager.tokens.show("worker"),
};
const api = new ManagerApi({
  ...{ manager, store, crypto },
  ...{ clock: systemClock, version: "bench" },
});
const { sessions } = manager.desk;

/** From the manager's acceptance until the new root is the only one. */
async function rotate() {
  const done = Promise.withResolvers<void>();
  const unwatch = store.watch((changes) => {
    const over = changes.some((change) =>
      change.kind === "cluster" && change.before?.rotation !== undefined &&
      change.after?.rotation === undefined
    );
    if (over) done.resolve();
  });
  await operate("/v1/ca/rotate", {});
  const began = performance.now();
  await done.promise;
  unwatch();
  return { wallMs: performance.now() - began, refused: manager.desk.refusals };
}

/** What `swarmd` itself has done over the socket. */
async function operate(path: string, asked: unknown) {
  const at = sharedNow();
  const { status, body } = await api.operate({
    ...{ method: "POST", path, body: utf8(JSON.stringify(asked)) },
  });
  if (status !== 200) throw new Error(`${path}: ${status}: ${body}`);
  return { at };
}

/** How long what is issued from now on is good; shorter than an operator may. */
async function setLife(leafLifeMs: number): Promise<void> {
  await store.update((tx) => {
    tx.put("cluster", CLUSTER, { ...mustCluster(tx), leafLifeMs });
  });
}

function connectionOf(node: unknown) {
  const { connection } = sessions.of(String(node)) ?? {};
  if (!connection) throw new RangeError(`${node} is not connected`);
  return connection.connection;
}

/** Writes to a node that does not read, until the system takes no more. */
async function fill(node: unknown) {
  const connection = connectionOf(node);
  const payload = new Uint8Array(FILL_BYTES);
  for (let i = 0; i < MAX_FILLS && connection.queuedBytes === 0; i++) {
    while (connection.queuedBytes < FULL_BYTES) connection.send(payload);
    for (let before = NaN; connection.queuedBytes !== before;) {
      before = connection.queuedBytes;
      await new Promise((resolve) => setTimeout(resolve, FILL_REST_MS));
    }
  }
  return { queued: connection.queuedBytes };
}

await serveParent(hello, {
  rotate,
  renew: ({ width }) => new RenewalRush(store, sessions).run(Number(width)),
  operate: ({ path, body }) => operate(String(path), body),
  /** The port that a node's connection came from. */
  remote: ({ node }) => ({ port: connectionOf(node).facts.remote.port }),
  life: ({ ms }) => setLife(Number(ms)),
  fill: ({ node }) => fill(node),
});
stop.abort();
await running;
