import { parseArgs } from "@std/cli";
import { silentLogger } from "../../lib/base/logger.ts";
import { HOUR } from "../../lib/base/time.ts";
import { openIdentityFiles } from "../../lib/disk/identity_files.ts";
import { Manager } from "../../lib/manager/manager.ts";
import { systemClock, systemRandom } from "../../lib/net/system.ts";
import { DEFAULT_LIMITS } from "../../lib/net/connection_limits.ts";
import { listenTls } from "../../lib/net/tls_server.ts";
import { serveParent } from "./child.ts";
import { openCluster } from "./cluster.ts";
import { RenewalRush } from "./renewal_rush.ts";

/**
 * A manager as `swarmd manager run` makes it, which can also be told to have
 * its workers renew. `--folder` holds the cluster, `--port` is listened on.
 */
const { folder, port, open } = parseArgs(Deno.args, {
  string: ["folder", "port"],
  boolean: ["open"],
});
// Joining nodes are strangers: one address may bring 200 of them a second.
const many = { ratePerSecond: 1e6, burst: 1e6, maxAnonymous: 1e4 };
const limits = open ? { ...DEFAULT_LIMITS, ...many } : DEFAULT_LIMITS;

// Of an hour: no node gets two certificates within a thousandth of a life.
await using cluster = await openCluster({
  folder: String(folder),
  leafLifeMs: HOUR,
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
/** From the operator's wish until the new root is the only one. */
async function rotate() {
  const done = Promise.withResolvers<void>();
  const unwatch = store.watch((changes) => {
    const over = changes.some((change) =>
      change.kind === "cluster" && change.before?.rotation !== undefined &&
      change.after?.rotation === undefined
    );
    if (over) done.resolve();
  });
  const began = performance.now();
  await manager.rotation.start({});
  await done.promise;
  unwatch();
  return { wallMs: performance.now() - began };
}

await serveParent(hello, {
  rotate,
  renew: ({ width }) =>
    new RenewalRush(store, manager.desk.sessions).run(Number(width)),
});
stop.abort();
await running;
