import { fromBase64 } from "../../lib/base/bytes.ts";
import { newId } from "../../lib/base/random.ts";
import { HOUR } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { CertificateRecord, NodeRecord } from "../../lib/cluster/node.ts";
import { bundleOf } from "../../lib/cluster/root_views.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import { makeCluster, spkiHash } from "../../lib/manager/bootstrap.ts";
import { Manager } from "../../lib/manager/manager.ts";
import { signLeaf } from "../../lib/manager/sign_leaf.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type {
  Connection,
  ServerCredentials,
} from "../../lib/rpc/connection.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { selfDialer } from "../fakes/self_dialer.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { LightNode } from "./light_node.ts";
import { MachineClock } from "./machine_clock.ts";
import { SimDisk } from "./sim_disk.ts";
import { VirtualClock } from "./virtual_clock.ts";

const LEAF_LIFE_MS = 90 * 24 * HOUR;
const CALM = {
  before: () => Promise.resolve(),
  after: () => Promise.resolve(),
};
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** How many do something now, and did at most. */
export interface Tally {
  now: number;
  most: number;
}

/** A whole manager with its loops, and thousands of nodes of little weight. */
export class LightFleet {
  readonly clock = new VirtualClock();
  readonly nodes: LightNode[] = [];
  readonly tallies = {
    renewal: { now: 0, most: 0 },
    connection: { now: 0, most: 0 },
  } satisfies Record<string, Tally>;
  readonly store: Store;
  manager!: Manager;
  readonly #process: {
    readonly clock: ReturnType<MachineClock["forProcess"]>;
    readonly crypto: SimCrypto;
    readonly random: StreamRandom;
    readonly keyRing: ReadonlyMap<number, Uint8Array<ArrayBuffer>>;
    readonly logger: typeof SILENT;
  };
  readonly #stop = new AbortController();
  #accept: (connection: Connection) => void = () => {};
  #credentials: ServerCredentials | undefined;
  #authorities!: Authorities;

  constructor(seed: number) {
    const random = new StreamRandom(`${seed} light fleet`);
    const machine = new MachineClock(this.clock, HOUR);
    this.#process = {
      clock: machine.forProcess({ alive: true }),
      crypto: new SimCrypto(new StreamRandom(`${seed} keys`)),
      random,
      keyRing: new Map([[1, random.bytes(32)]]),
      logger: SILENT,
    };
    this.store = new StoreDisk().open();
  }

  get cluster(): ClusterRecord {
    const cluster = this.store.view((view) => view.get("cluster", CLUSTER));
    if (cluster) return cluster;
    throw new Error("There is no cluster");
  }

  /** Makes a cluster whose nodes were all seen, and a manager that runs. */
  async open(count: number): Promise<void> {
    const { crypto, random, clock, keyRing } = this.#process;
    await makeCluster(this.store, {
      crypto,
      random,
      now: clock.now(),
      clusterKey: keyRing.get(1) ?? new Uint8Array(),
      leafLifeMs: LEAF_LIFE_MS,
      heartbeatMs: HOUR,
      drill: false,
    });
    this.#authorities = await Authorities.open({
      ...this.#process,
      store: this.store,
      makeSigner: (authority) => localSigner(crypto, authority),
    });
    await this.#addNodes(count);
    this.#run();
  }

  /** Lets some of the nodes connect, over a time. */
  connect(nodes: readonly LightNode[], withinMs: number): void {
    const { random } = this.#process;
    for (const node of nodes) {
      this.clock.after(random.between(0, withinMs), () => node.connect());
    }
  }

  node(id: string): NodeRecord | undefined {
    return this.store.view((view) => view.get("node", id));
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("stopped"));
    await this.clock.runUntil(this.clock.now + 1);
  }

  async #addNodes(count: number): Promise<void> {
    const { clock: managerClock, crypto, random } = this.#process;
    const parts = {
      ...{ clock: this.clock, managerClock, crypto, random },
      accept: (connection: Connection) => this.#accept(connection),
      busy: (what: keyof LightFleet["tallies"], by: 1 | -1) => {
        const tally = this.tallies[what];
        tally.now += by;
        tally.most = Math.max(tally.most, tally.now);
      },
    };
    const { digest: bundle } = bundleOf(this.cluster);
    const records: NodeRecord[] = [];
    for (let i = 0; i < count; i++) {
      const id = newId(random);
      const current = await this.#sign(id);
      records.push({ ...blank(id), certificates: { current }, trusts: bundle });
      const chain = (current.chain ?? []).map(fromBase64);
      const identity = { id, chain, bundle };
      this.nodes.push(new LightNode(parts, identity));
    }
    await this.store.update((tx) => {
      for (const record of records) tx.put("node", record.id, record);
    });
  }

  async #sign(nodeId: string): Promise<CertificateRecord> {
    const { crypto, clock } = this.#process;
    const key = await crypto.generateKey();
    const role = "worker" as const;
    const signer = this.#authorities.signerFor({ role, now: clock.now() });
    const managerNames = { dnsNames: [], ipAddresses: [] };
    return await signLeaf(
      { ...this.#process, store: this.store, signer, managerNames },
      {
        nodeId,
        role,
        csr: await createCsr(crypto, key),
        spki: key.spki,
        spkiHash: await spkiHash(crypto, key.spki),
      },
    );
  }

  #run(): void {
    this.manager = new Manager({
      ports: {
        ...this.#process,
        store: this.store,
        authorities: this.#authorities,
        identity: new SimDisk().open(CALM),
        dialer: selfDialer(() => this.#credentials),
        listen: (credentials, accept) => {
          this.#credentials = credentials;
          this.#accept = accept;
          return Promise.resolve({
            endpoint: { host: "0.0.0.0", port: 2377 },
            replace: (next) => this.#credentials = next,
            close: () => Promise.resolve(),
          });
        },
      },
      settings: {
        version: "1",
        hostname: "m",
        os: "linux",
        arch: "x86_64",
        advertise: [{ host: "10.0.0.5" }],
      },
      keyRing: this.#process.keyRing,
      event: () => {},
    });
    const { signal } = this.#stop;
    this.clock.after(0, () => {
      this.manager.run(signal, () => Promise.resolve()).catch((error) => {
        if (!signal.aborted) throw error;
      });
    });
  }
}

function blank(id: string): NodeRecord {
  const since = Date.UTC(2026, 0, 1);
  return {
    id,
    role: "worker",
    admission: "active",
    createdAt: since,
    tokenId: "seed",
    firstSeen: since,
    absentSince: since,
    certificates: {},
  };
}
