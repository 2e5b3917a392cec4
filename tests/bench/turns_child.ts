import { parseArgs } from "@std/cli";
import { utf8 } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { HOUR, MINUTE } from "../../lib/base/time.ts";
import { audit } from "../../lib/cluster/audit.ts";
import { Overlaps } from "../../lib/cluster/overlaps.ts";
import { openIdentityFiles } from "../../lib/disk/identity_files.ts";
import { Housekeeping } from "../../lib/manager/housekeeping.ts";
import { ManagerApi } from "../../lib/manager/local_api.ts";
import { Manager } from "../../lib/manager/manager.ts";
import { systemClock, systemRandom } from "../../lib/net/system.ts";
import { serveUnix } from "../../lib/net/unix_http.ts";
import type { ServerCredentials } from "../../lib/rpc/connection.ts";
import { selfDialer } from "../fakes/self_dialer.ts";
import { BareFleet } from "./bare_fleet.ts";
import { inFlight, serveParent } from "./child.ts";
import { openCluster } from "./cluster.ts";
import { watched } from "./watched.ts";

/** A manager of many nodes, and how long its turns are; for bench `turns`. */

const { folder } = parseArgs(Deno.args, { string: ["folder"] });

await using cluster = await openCluster({
  folder: String(folder),
  leafLifeMs: 24 * HOUR,
  heartbeatMs: HOUR,
});
const { store, crypto, authorities, keyRing } = cluster;
const around = { clock: systemClock, logger: silentLogger };
let shown: ServerCredentials | undefined;
const manager = new Manager({
  ports: {
    ...{ ...around, store, crypto, authorities, random: systemRandom },
    identity: await openIdentityFiles(String(folder)),
    // Its nodes need no socket, nor does it
    dialer: selfDialer(() => shown),
    listen: (credentials) => {
      shown = credentials;
      return Promise.resolve({
        endpoint: { host: "127.0.0.1", port: 2377 },
        replace: (next) => shown = next,
        close: () => Promise.resolve(),
      });
    },
  },
  settings: {
    ...{ version: "0.1.0", hostname: "bench", os: "linux", arch: "x86_64" },
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
const api = new ManagerApi({ manager, store, crypto, version: "0.1.0" });
const socket = `${folder}/bench.sock`;
const server = await serveUnix(socket, {
  handler: (request) => api.operate(request),
  logger: silentLogger,
});
const overlaps = new Overlaps(store);
const fleet = new BareFleet({ store, manager });

/** Longest turns of some rounds, which follow each other at once. */
async function rounds(count: number, aheadMs: number) {
  const began = systemClock.monotonic();
  const ended = new AbortController();
  let left = count;
  const { desk, denylist, heads, clockGuard } = manager;
  const housekeeping = new Housekeeping({
    clock: {
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic() + (left < count ? aheadMs : 0),
      schedule: (_delayMs, callback) => systemClock.schedule(0, callback),
    },
    ...{ logger: silentLogger, random: systemRandom, store, denylist, desk },
    ...{ heads, overlaps },
    clockGuard: {
      judge: () => clockGuard.judge(),
      look: async () => {
        await clockGuard.look();
        if (--left === 0) ended.abort();
      },
    },
  });
  const { longestMs, longestCpuMs } = await watched(() =>
    housekeeping.run(ended.signal).catch((error: unknown) => {
      if (!ended.signal.aborted) throw error;
    })
  );
  return { longestMs, longestCpuMs, began };
}

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
  const { wallMs, longestMs, longestCpuMs } = await watched(async () => {
    await operate("/v1/ca/rotate");
    await done.promise;
  });
  unwatch();
  return { wallMs, longestMs, longestCpuMs };
}

/** What a rotation cannot do without: every record is written, with others. */
async function write() {
  const nodes = store.view((view) => [...view.list("node")]);
  const plan = { count: nodes.length, width: 64 };
  const { longestMs, longestCpuMs } = await watched(() =>
    inFlight(plan, async (i) => {
      const node = nodes[i];
      if (!node) return;
      const entry = { at: systemClock.now(), action: "promoted" } as const;
      await store.update((tx) => {
        tx.put("node", node.id, { ...node, address: `10.0.0.${i % 200}` });
        audit(tx, { ...entry, node: node.id, by: "bench", why: "bench" });
      });
    })
  );
  return { longestMs, longestCpuMs };
}

async function operate(path: string): Promise<void> {
  const { status, body } = await api.operate({
    ...{ method: "POST", path, body: utf8("{}") },
  });
  if (status !== 200) throw new Error(`${path}: ${status}: ${body}`);
}

let asking = Promise.withResolvers<void>();
let watching: ReturnType<typeof watched<void>> | undefined;

await serveParent({ socket }, {
  fill: ({ count }) => fleet.add(Number(count)),
  rounds: ({ count, ahead }) =>
    rounds(Number(count), ahead === true ? 20 * MINUTE : 0),
  rotate,
  write,
  operate: ({ path }) => operate(String(path)),
  deaf: ({ deaf }) => {
    fleet.deaf = deaf === true;
  },
  /** Until `seen`: what the parent does with the socket. */
  watch: () => {
    asking = Promise.withResolvers();
    watching = watched(() => asking.promise);
  },
  seen: async () => {
    asking.resolve();
    const { longestMs, longestCpuMs } = await watching ?? {};
    return { longestMs, longestCpuMs };
  },
  idle: async ({ ms }) => {
    const { longestMs, longestCpuMs } = await watched(() =>
      new Promise((resolve) => setTimeout(resolve, Number(ms)))
    );
    return { longestMs, longestCpuMs };
  },
});
stop.abort();
await running.catch(() => {}); // stopped
await server.close();
