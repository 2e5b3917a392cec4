import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { runTasks, type Task } from "../base/tasks.ts";
import { watchClock } from "../cluster/clock_watch.ts";
import { DenylistIndex } from "../cluster/denylist_index.ts";
import type { NodeRecord } from "../cluster/node.ts";
import { CLUSTER } from "../cluster/store.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { DrillDesk } from "./drill_desk.ts";
import type { ManagerEvent } from "./events.ts";
import { Frontdesk } from "./frontdesk.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { Handlers } from "./handlers.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Issuance } from "./issuance.ts";
import { OwnIdentity } from "./own_identity.ts";
import type {
  AdvertisedAddress,
  ManagerListener,
  ManagerPorts,
  ManagerSettings,
} from "./ports.ts";
import { mustCluster } from "./records.ts";
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
}

/** A manager: it builds the parts and runs their loops as one. */
export class Manager {
  readonly nodeId: string;
  readonly tokens: Tokens;
  readonly drill: DrillDesk;
  readonly desk: Frontdesk;
  readonly denylist: DenylistIndex;
  readonly #options: ManagerOptions;
  readonly #issuance: Issuance;
  readonly #self: SelfRenewal;
  readonly #housekeeping: Housekeeping;
  #listener: ManagerListener | undefined;

  constructor(options: ManagerOptions) {
    const { ports, settings, keyRing, event } = options;
    const { store, signer } = ports;
    this.#options = options;
    this.nodeId = ownNodeId(store.view((view) => [...view.list("node")]));
    this.drill = options.drill ?? new DrillDesk(ports);
    this.tokens = new Tokens({ ...ports, keyRing });
    const managerNames = namesOf(settings.advertise);
    this.#issuance = new Issuance({ ...ports, managerNames });
    const { nodeId, drill, tokens } = this;
    const issuance = this.#issuance;
    const root = signer.issuer;
    const own = new OwnIdentity({ ...ports, issuance, root, nodeId });
    this.#self = new SelfRenewal({ ...ports, own, event });
    const anchors = [root];
    this.desk = new Frontdesk({
      ...ports,
      gatekeeper: new Gatekeeper({
        ...ports,
        anchors: () => anchors,
        intermediates: () => signer.intermediates,
      }),
      tokens,
      handlers: new Handlers({ ...ports, issuance, tokens, drill, nodeId }),
      version: settings.version,
      nodeId,
      leafFingerprint: () => this.#self.serving.certificate.fingerprint,
    });
    this.denylist = new DenylistIndex(store);
    const { desk, denylist } = this;
    this.#housekeeping = new Housekeeping({ ...ports, desk, denylist });
  }

  /** Certificates issued since this process started. */
  get issued(): number {
    return this.#issuance.issued;
  }

  /** Whose key signs the certificates of nodes. */
  get issuer(): Certificate {
    return this.#options.ports.signer.issuer;
  }

  /** Where it listens. */
  get endpoint(): Endpoint | undefined {
    return this.#listener?.endpoint;
  }

  /** The state of the manager's own renewal, for its status. */
  get renewal(): SelfRenewalView {
    return this.#self.view;
  }

  /** Serves until the signal is aborted; then ends every session in order. */
  async run(signal: AbortSignal, ready: () => Promise<void>): Promise<void> {
    const { ports } = this.#options;
    const { credentials } = await this.#self.open();
    const listener = await ports.listen(
      credentials,
      (connection) => this.desk.accept(connection),
    );
    this.#listener = listener;
    try {
      await this.#describeSelf(listener.endpoint.port);
      await ready();
      await runTasks(this.#tasks(listener), signal);
    } finally {
      this.desk.close();
      await listener.close();
      this.#issuance.close();
      this.denylist.close();
    }
  }

  #tasks(listener: ManagerListener): Task[] {
    const { clock, store } = this.#options.ports;
    const tasks: Task[] = [
      (signal) => this.#self.run(listener, signal),
      (signal) => this.#housekeeping.run(signal),
      (signal) => watchClock(clock, (ms) => this.#jumped(ms), signal),
    ];
    if (store.view(mustCluster).drill) {
      tasks.push((signal) => this.drill.run(this.desk.sessions, signal));
    }
    return tasks;
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

function namesOf(advertise: readonly AdvertisedAddress[]): ManagerNames {
  const hosts = [...new Set(advertise.map(({ host }) => host))];
  const isAddress = (host: string) =>
    /^[\d.]+$/.test(host) || host.includes(":");
  return {
    ipAddresses: hosts.filter(isAddress),
    dnsNames: hosts.filter((host) => !isAddress(host)),
  };
}
