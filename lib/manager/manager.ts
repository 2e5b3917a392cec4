import type { Bytes } from "../base/bytes.ts";
import { describeError } from "../base/errors.ts";
import { runTasks, type Task } from "../base/tasks.ts";
import { watchClock } from "../cluster/clock_watch.ts";
import { DenylistIndex } from "../cluster/denylist_index.ts";
import { FleetIndex } from "../cluster/fleet_index.ts";
import { Overlaps } from "../cluster/overlaps.ts";
import { problemText } from "../cluster/problem.ts";
import { bundleOf, issuerFor } from "../cluster/root_views.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { AuditHeads } from "./audit_heads.ts";
import { DrillDesk } from "./drill_desk.ts";
import { ClockGuard, type ClockGuardParts } from "./clock_guard.ts";
import type { ManagerEvent } from "./events.ts";
import { Frontdesk } from "./frontdesk.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { Handlers } from "./handlers.ts";
import { Housekeeping, type Sealing } from "./housekeeping.ts";
import { Issuance } from "./issuance.ts";
import { OwnIdentity } from "./own_identity.ts";
import type {
  AdvertisedAddress,
  ManagerListener,
  ManagerPorts,
  ManagerSettings,
} from "./ports.ts";
import { mustCluster, mustNode, mustOwnNode } from "./records.ts";
import { RotationDesk } from "./rotation_desk.ts";
import { Recoveries } from "./recoveries.ts";
import { Refusals } from "./refusals.ts";
import { SelfRenewal, type SelfRenewalView } from "./self_renewal.ts";
import type { ManagerNames } from "./sign_leaf.ts";
import { Tokens } from "./tokens.ts";

/** What a manager is opened with. */
export interface ManagerOptions {
  readonly ports: ManagerPorts;
  readonly settings: ManagerSettings;
  /** Cluster keys by version. */
  readonly keyRing: ReadonlyMap<number, Bytes>;
  readonly event: (event: ManagerEvent) => void;
  /** The application above the sessions. Default: the drill's. */
  readonly drill?: DrillDesk;
  /** What the cluster's keys may have left half done. */
  readonly sealing?: Sealing;
}

/** A manager: it builds the parts and runs their loops as one. */
export class Manager {
  readonly nodeId: string;
  readonly tokens: Tokens;
  readonly drill: DrillDesk;
  readonly desk: Frontdesk;
  readonly denylist: DenylistIndex;
  readonly heads: AuditHeads;
  readonly rotation: RotationDesk;
  readonly clockGuard: ClockGuard;
  readonly #options: ManagerOptions;
  readonly #issuance: Issuance;
  readonly #self: SelfRenewal;
  readonly #indexes: ReturnType<typeof openIndexes>;
  readonly #housekeeping: Housekeeping;
  #listener: ManagerListener | undefined;
  /** Why it could not follow the rotation of the root the last time. */
  #ownProblem: string | undefined;

  constructor(options: ManagerOptions) {
    const { settings, keyRing, event } = options;
    const { store } = options.ports;
    this.#options = options;
    this.nodeId = store.view(mustOwnNode).id;
    const { nodeId } = this;
    const desk = () => this.desk;
    const clockGuard = guardClock({ ...options.ports, nodeId, desk });
    this.clockGuard = clockGuard;
    const { clock, latest } = clockGuard;
    const ports = { ...options.ports, clock };
    this.drill = options.drill ?? new DrillDesk(ports);
    this.tokens = new Tokens({ ...ports, keyRing });
    const managerNames = namesOf(settings.advertise);
    const around = { ...ports, clock: latest, clockGuard };
    this.#issuance = new Issuance({ ...around, managerNames });
    const { drill, tokens } = this;
    const issuance = this.#issuance;
    const own = new OwnIdentity({ ...around, issuance, nodeId });
    this.#self = new SelfRenewal({ ...around, own, event });
    const refusals = new Refusals(ports);
    const heads = new AuditHeads({
      ...ports,
      nodeId,
      serving: () => this.#self.serving,
    });
    this.heads = heads;
    this.desk = new Frontdesk({
      ...ports,
      gatekeeper: new Gatekeeper(ports),
      tokens,
      handlers: new Handlers({
        ...ports,
        ...{ issuance, tokens, drill, refusals, nodeId },
        rehearsal: rehearsalOf(() => this.rotation),
        recoveries: new Recoveries({ ...ports, issuance, clockGuard }),
      }),
      version: settings.version,
      nodeId,
      refusals,
      leafFingerprint: () => this.#self.serving.certificate.fingerprint,
      auditHead: () => heads.newest,
      opened: (node) => this.rotation.came(node),
      tookBack: () => this.#self.hasten(),
    });
    this.#indexes = openIndexes(store);
    this.denylist = this.#indexes.denylist;
    this.rotation = new RotationDesk({
      ...{ ...ports, ...this.#indexes },
      keyRing,
      nodeId,
      sessions: this.desk.sessions,
      followSelf: () => this.#followSelf(),
      ownProblem: () => this.#ownProblem,
    });
    this.#housekeeping = new Housekeeping({
      ...{ ...ports, ...this.#indexes, desk: this.desk, heads, clockGuard },
      ...(options.sealing && { sealing: options.sealing }),
    });
  }

  /** Certificates issued since this process started. */
  get issued(): number {
    return this.#issuance.issued;
  }

  /** The authority of the cluster. */
  get issuer(): Certificate {
    return this.#options.ports.authorities.root;
  }

  /** What is wrong with authorities elsewhere, a sentence each. */
  get authorityAlarms(): string[] {
    return this.#options.ports.authorities.external.health().flatMap((each) =>
      each.fault === undefined
        ? []
        : [`Authority ${each.url} is of no use now: ${each.fault}`]
    );
  }

  /** Where it listens. */
  get endpoint(): Endpoint | undefined {
    return this.#listener?.endpoint;
  }

  /** Gets itself a new key and certificate now. */
  async renewSelf(): Promise<void> {
    if (this.#self.hasBegun) await this.#self.follow("certificate");
  }

  /** The state of the manager's own renewal, for its status. */
  get renewal(): SelfRenewalView {
    return this.#self.view;
  }

  /** Serves until the signal is aborted; then ends every session in order. */
  async run(signal: AbortSignal, ready: () => Promise<void>): Promise<void> {
    const { ports } = this.#options;
    const serving = await this.#self.open(signal);
    if (!serving) return;
    const listener = await ports.listen(
      serving.credentials,
      (connection) => this.desk.accept(connection),
    );
    this.#listener = listener;
    await this.#self.begin({ listener, signal });
    if (this.desk.isBehind) this.#self.hasten(); // it died before it could
    try {
      await this.#describeSelf(listener.endpoint.port);
      await ready();
      await runTasks(this.#tasks(), signal);
    } finally {
      await this.#sealLog();
      this.desk.close();
      await listener.close();
      this.#issuance.close();
      for (const index of Object.values(this.#indexes)) index.close();
    }
  }

  #tasks(): Task[] {
    const { clock, store, authorities } = this.#options.ports;
    const tasks: Task[] = [
      (signal) => authorities.external.watch(clock, signal),
      (signal) => this.#self.run(signal),
      (signal) => this.#housekeeping.run(signal),
      (signal) => this.rotation.run(signal),
      (signal) => watchClock(clock, (ms) => this.#jumped(ms), signal),
    ];
    if (store.view(mustCluster).drill) {
      tasks.push((signal) => this.drill.run(this.desk.sessions, signal));
    }
    return tasks;
  }

  async #followSelf(): Promise<void> {
    try {
      await this.#followRoot();
      this.#ownProblem = undefined;
    } catch (error) {
      this.#ownProblem = problemText(error);
      throw error;
    }
  }

  /** Brings the own certificate, then the own bundle, up to the phase. */
  async #followRoot(): Promise<void> {
    const { store } = this.#options.ports;
    const { clock } = this.clockGuard;
    const { cluster, node } = store.view((view) => ({
      cluster: mustCluster(view),
      node: mustNode(view, this.nodeId),
    }));
    const { role, trusts, certificates: { current } } = node;
    const { root } = issuerFor(cluster, {
      role,
      now: clock.now(),
      ...(trusts !== undefined && { trusts }),
    });
    if (current?.issuerKeyId !== root.facts?.keyId) {
      await this.#self.follow("certificate");
    } else if (trusts !== bundleOf(cluster).digest) {
      await this.#self.follow("bundle");
    }
  }

  /** A full disk, say, does not hinder the end. */
  async #sealLog(): Promise<void> {
    try {
      await this.heads.seal();
      this.desk.tellHeads();
      await this.clockGuard.note();
    } catch (error) {
      const { logger } = this.#options.ports;
      const text = describeError(error);
      logger.warn("The end of the audit log is not signed", { error: text });
    }
  }

  #jumped(jumpMs: number): void {
    const { logger } = this.#options.ports;
    logger.warn("The wall clock jumped, or the machine slept", { jumpMs });
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
      const firstSeen = node.firstSeen ?? this.clockGuard.clock.now();
      tx.put("node", node.id, {
        ...node,
        description,
        firstSeen,
        ...(address !== undefined && { address }),
      });
    });
  }
}

/** For what else were a look through all records. */
function openIndexes(store: Store) {
  return {
    denylist: new DenylistIndex(store),
    fleet: new FleetIndex(store),
    overlaps: new Overlaps(store),
  };
}

/** The desk works by the time that the guard makes of what the desk hears. */
function guardClock(
  { desk, ...parts }: Omit<ClockGuardParts, "skewsMs" | "moved"> & {
    /** Nothing until there is one. */
    readonly desk: () => Frontdesk | undefined;
  },
): ClockGuard {
  return new ClockGuard({
    ...parts,
    skewsMs: () => desk()?.sessions.skewsMs ?? new Map(),
    moved: () => desk()?.sweep(),
  });
}

function rehearsalOf(
  rotation: () => RotationDesk,
): Pick<RotationDesk["rehearsal"], "serve" | "told"> {
  return {
    serve: (node, asked) => rotation().rehearsal.serve(node, asked),
    told: (node, how) => rotation().rehearsal.told(node, how),
  };
}

/** What the certificates of managers that are reached there carry. */
export function namesOf(advertise: readonly AdvertisedAddress[]): ManagerNames {
  const hosts = [...new Set(advertise.map(({ host }) => host))];
  const isAddress = (host: string) =>
    /^[\d.]+$/.test(host) || host.includes(":");
  return {
    ipAddresses: hosts.filter(isAddress),
    dnsNames: hosts.filter((host) => !isAddress(host)),
  };
}
