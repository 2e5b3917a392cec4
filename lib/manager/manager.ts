import type { Bytes } from "../base/bytes.ts";
import { backoffDelay } from "../base/backoff.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import { runTasks } from "../base/tasks.ts";
import { SECOND, sleep, sleepUntil } from "../base/time.ts";
import { compactDenylist, deny } from "../cluster/denylist.ts";
import {
  drawRenewal,
  renewalBackoffBound,
  renewalFloor,
} from "../cluster/expiry.ts";
import { watchClock } from "../cluster/clock_watch.ts";
import { dropPrevious, type NodeRecord } from "../cluster/node.ts";
import { CLUSTER } from "../cluster/store.ts";
import { issuedFacts } from "../pki/issued_facts.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { DrillDesk } from "./drill_desk.ts";
import type { ManagerEvent } from "./events.ts";
import { Frontdesk } from "./frontdesk.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { Handlers } from "./handlers.ts";
import { Issuance } from "./issuance.ts";
import { mustCluster } from "./records.ts";
import { OwnIdentity, type Serving } from "./own_identity.ts";
import type {
  AdvertisedAddress,
  ManagerListener,
  ManagerPorts,
  ManagerSettings,
} from "./ports.ts";
import { Tokens } from "./tokens.ts";

/** Looks at the denylist this often, in milliseconds. */
const COMPACT_EVERY = 3_600 * SECOND;

/** What a manager is opened with. */
export interface ManagerOptions {
  readonly ports: ManagerPorts;
  readonly settings: ManagerSettings;
  /** Cluster keys by version. */
  readonly keyRing: ReadonlyMap<number, Bytes>;
  readonly event: (event: ManagerEvent) => void;
}

/** A manager: the parts, and the loops that keep them going. */
export class Manager {
  readonly nodeId: string;
  readonly tokens: Tokens;
  readonly drill: DrillDesk;
  readonly desk: Frontdesk;
  readonly #options: ManagerOptions;
  readonly #issuance: Issuance;
  readonly #own: OwnIdentity;
  #serving: Serving | undefined;
  #listener: ManagerListener | undefined;
  #renewAt = 0;
  #renewalFailures = 0;
  #renewalFailure: { readonly at: number; readonly error: string } | undefined;

  constructor(options: ManagerOptions) {
    const { ports, settings, keyRing } = options;
    const { store, crypto, clock, random, logger, signer } = ports;
    this.#options = options;
    this.nodeId = ownNodeId(store.view((view) => [...view.list("node")]));
    this.drill = new DrillDesk({ clock, random });
    this.tokens = new Tokens({ store, crypto, keyRing });
    const managerNames = namesOf(settings.advertise);
    const base = { store, crypto, clock, random, logger };
    this.#issuance = new Issuance({ ...base, signer, managerNames });
    const anchors = [signer.issuer];
    this.#own = new OwnIdentity({
      ...base,
      identity: ports.identity,
      issuance: this.#issuance,
      root: signer.issuer,
      nodeId: this.nodeId,
    });
    this.desk = new Frontdesk({
      ...base,
      gatekeeper: new Gatekeeper({
        ...base,
        anchors: () => anchors,
        intermediates: () => signer.intermediates,
      }),
      tokens: this.tokens,
      handlers: new Handlers({
        ...base,
        issuance: this.#issuance,
        tokens: this.tokens,
        drill: this.drill,
      }),
      version: settings.version,
      nodeId: this.nodeId,
      leafFingerprint: () => this.serving.certificate.fingerprint,
    });
  }

  /** What new handshakes get. */
  get serving(): Serving {
    if (!this.#serving) throw new TypeError("The manager does not serve yet");
    return this.#serving;
  }

  /** Certificates issued since this process started. */
  get issued(): number {
    return this.#issuance.issued;
  }

  /** Where it listens. */
  get endpoint(): Endpoint | undefined {
    return this.#listener?.endpoint;
  }

  /** The state of the manager's own renewal, for its status. */
  get renewal() {
    return {
      dueAt: this.#renewAt,
      failures: this.#renewalFailures,
      lastFailure: this.#renewalFailure,
    };
  }

  /** Serves until the signal is aborted; then ends every session in order. */
  async run(signal: AbortSignal, ready: () => Promise<void>): Promise<void> {
    const { ports } = this.#options;
    this.#serve(await this.#own.open());
    const listener = await ports.listen(
      this.serving.credentials,
      (connection) => this.desk.accept(connection),
    );
    this.#listener = listener;
    try {
      await this.#describeSelf(listener.endpoint.port);
      await ready();
      await runTasks([
        (s) => this.#renewing(s, listener),
        (s) => this.#sweeping(s),
        (s) => this.#compacting(s),
        (s) => watchClock(ports.clock, (ms) => this.#jumped(ms), s),
        ...this.#drilling(),
      ], signal);
    } finally {
      this.desk.close();
      await listener.close();
      this.#issuance.close();
    }
  }

  #drilling(): ((signal: AbortSignal) => Promise<void>)[] {
    const { drill } = this.#options.ports.store.view(mustCluster);
    return drill ? [(s) => this.drill.run(this.desk.sessions, s)] : [];
  }

  #serve(serving: Serving): void {
    const { random } = this.#options.ports;
    this.#serving = serving;
    const { notAfter } = serving.certificate;
    this.#renewAt = drawRenewal({ ...serving, notAfter }, random);
  }

  async #renewing(
    signal: AbortSignal,
    listener: ManagerListener,
  ): Promise<void> {
    const { clock, random } = this.#options.ports;
    for (;;) {
      await sleepUntil(clock, this.#renewAt, signal);
      try {
        await this.#renew(listener);
        this.#renewalFailures = 0;
        await sleep(clock, renewalFloor(this.#life()), signal);
      } catch (error) {
        this.#renewalFailures++;
        this.#renewalFailed(error);
        const maxMs = renewalBackoffBound(this.#life(), clock.now());
        const options = { baseMs: SECOND, maxMs };
        const pause = backoffDelay(this.#renewalFailures, options, random);
        await sleep(clock, pause, signal);
      }
    }
  }

  #life() {
    const { issuedAt, certificate } = this.serving;
    return { issuedAt, notAfter: certificate.notAfter };
  }

  async #renew(listener: ManagerListener): Promise<void> {
    const serving = await this.#own.renew();
    listener.replace(serving.credentials);
    this.#serve(serving);
    this.#renewalFailure = undefined;
    const facts = issuedFacts(serving.certificate);
    this.#options.event({ event: "renewed", ...facts });
  }

  #renewalFailed(error: unknown): void {
    const { clock, logger } = this.#options.ports;
    const text = describeError(error);
    this.#renewalFailure = { at: clock.now(), error: text };
    logger.error("Own certificate not renewed; the old one serves on", {
      error: text,
    });
  }

  /** The heartbeat of everything that is judged by time. */
  async #sweeping(signal: AbortSignal): Promise<void> {
    const { clock, store } = this.#options.ports;
    for (;;) {
      const { heartbeatMs } = store.view(mustCluster);
      await sleep(clock, Math.max(SECOND, heartbeatMs / 10), signal);
      this.desk.sessions.sweep(heartbeatMs);
      await this.#endOverlaps();
      this.desk.sweep();
      this.#moveOff();
    }
  }

  #jumped(jumpMs: number): void {
    const { logger } = this.#options.ports;
    logger.warn("The wall clock jumped, or the machine slept", { jumpMs });
  }

  /** Whoever was served with an older certificate moves, a few at a time. */
  #moveOff(): void {
    const serving = this.serving.certificate.fingerprint;
    const { size } = this.desk.sessions;
    this.desk.moveWhere((carrier) => carrier.servedWith !== serving, {
      most: Math.max(16, Math.ceil(size / 60)),
      reason: "this manager has a newer certificate",
    });
  }

  async #endOverlaps(): Promise<void> {
    const { store, clock } = this.#options.ports;
    const now = clock.now();
    const over = store.view((view) => {
      const ids: string[] = [];
      for (const { id, certificates } of view.list("node")) {
        if ((certificates.previous?.until ?? Infinity) <= now) ids.push(id);
      }
      return ids;
    });
    if (over.length === 0) return;
    await store.update((tx) => {
      for (const id of over) {
        const before = tx.get("node", id);
        if (!before) continue;
        const { node, superseded } = dropPrevious(before, now);
        if (!superseded) continue;
        tx.put("node", id, node);
        deny(tx, { ...superseded, nodeId: id, reason: "superseded" });
      }
    });
  }

  async #compacting(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#options.ports;
    for (;;) {
      await sleep(clock, COMPACT_EVERY, signal);
      await store.update((tx) => compactDenylist(tx, clock.now()));
    }
  }

  /** Tells the cluster where this manager is, now that it listens. */
  async #describeSelf(listenPort: number): Promise<void> {
    const { ports, settings } = this.#options;
    const { hostname, os, arch, version, advertise } = settings;
    const description = { hostname, os, arch, version };
    const address = advertise[0]?.host;
    const managers = advertise.map(({ host, port = listenPort }) =>
      formatEndpoint({ host, port })
    );
    await ports.store.update((tx) => {
      const node = tx.get("node", this.nodeId);
      if (!node) return;
      tx.put("cluster", CLUSTER, { ...mustCluster(tx), managers });
      const firstSeen = node.firstSeen ?? ports.clock.now();
      tx.put("node", node.id, {
        ...node,
        description,
        firstSeen,
        ...(address !== undefined && { address }),
      });
    });
  }
}

/** The first manager of the cluster; others come with a later release. */
function ownNodeId(nodes: readonly NodeRecord[]): string {
  const managers = nodes.filter((node) => node.role === "manager");
  const [first] = managers.toSorted((a, b) => a.createdAt - b.createdAt);
  if (first) return first.id;
  throw new SwarmdError("damaged-state", "The store names no manager");
}

function namesOf(advertise: readonly AdvertisedAddress[]) {
  const hosts = [...new Set(advertise.map(({ host }) => host))];
  const isAddress = (host: string) =>
    /^[\d.]+$/.test(host) || host.includes(":");
  return {
    ipAddresses: hosts.filter(isAddress),
    dnsNames: hosts.filter((host) => !isAddress(host)),
  };
}
