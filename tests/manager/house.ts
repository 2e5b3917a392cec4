import type { Bytes } from "../../lib/base/bytes.ts";
import { fromBase64 } from "../../lib/base/bytes.ts";
import type { LogFields, Logger } from "../../lib/base/logger.ts";
import { newId } from "../../lib/base/random.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { FleetIndex } from "../../lib/cluster/fleet_index.ts";
import type { NodeDescription, NodeRecord } from "../../lib/cluster/node.ts";
import { promotePending } from "../../lib/cluster/node.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { Authorities, type Authority } from "../../lib/manager/authorities.ts";
import { makeCluster } from "../../lib/manager/bootstrap.ts";
import type { ClockGuard } from "../../lib/manager/clock_guard.ts";
import { DrillDesk } from "../../lib/manager/drill_desk.ts";
import { Frontdesk } from "../../lib/manager/frontdesk.ts";
import { Gatekeeper } from "../../lib/manager/gatekeeper.ts";
import { Handlers } from "../../lib/manager/handlers.ts";
import { AuditHeads } from "../../lib/manager/audit_heads.ts";
import { Issuance } from "../../lib/manager/issuance.ts";
import type { Outcome } from "../../lib/manager/issuance_orders.ts";
import { OwnIdentity, type Serving } from "../../lib/manager/own_identity.ts";
import { RehearsalDesk } from "../../lib/manager/rehearsal.ts";
import { Recoveries } from "../../lib/manager/recoveries.ts";
import { Refusals } from "../../lib/manager/refusals.ts";
import { Tokens } from "../../lib/manager/tokens.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import type { Role } from "../../lib/pki/profile.ts";
import type { Signer } from "../../lib/pki/signer.ts";
import type { IssuedResult } from "../../lib/rpc/schemas.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { FakeClock, turn } from "../fakes/clock.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { Caller } from "./caller.ts";

export const NOW = Date.UTC(2026, 0, 1);
export const DESCRIPTION: NodeDescription = {
  hostname: "h",
  os: "linux",
  arch: "x86_64",
  version: "1",
};
/** No disk that fails. */
export const CALM = {
  before: () => Promise.resolve(),
  after: () => Promise.resolve(),
};

/** What a cluster is made with. */
export interface HouseOptions {
  /** Default: 90 days. */
  readonly leafLifeMs?: number;
  readonly drill?: boolean;
  /** Of the seeded randomness: another house is another cluster. */
  readonly label?: string;
  readonly clock?: FakeClock;
}

/** A node that got a certificate. */
export interface TestNode {
  readonly id: string;
  readonly key: KeyPair;
  /** As it presents them. */
  readonly chain: readonly Bytes[];
}

/** One thing that was logged. */
export interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** The parts of a manager, without its loops, on fakes. */
export class House {
  readonly clock: FakeClock;
  readonly random: StreamRandom;
  readonly crypto: SimCrypto;
  readonly disk = new StoreDisk();
  readonly ownDisk = new SimDisk();
  readonly store: Store;
  readonly fleet: FleetIndex;
  readonly logged: Logged[] = [];
  readonly logger: Logger = loggerTo(this.logged);
  readonly clusterKey: Bytes;
  /** Replaced by tests that sign in another way. */
  signer!: Signer;
  authorities!: Authorities;
  rehearsal!: RehearsalDesk;
  authority!: Authority;
  issuance!: Issuance;
  own!: OwnIdentity;
  serving!: Serving;
  tokens!: Tokens;
  drill!: DrillDesk;
  gatekeeper!: Gatekeeper;
  handlers!: Handlers;
  desk!: Frontdesk;
  heads!: AuditHeads;
  /** Replaced by tests of a clock in doubt. */
  clockGuard: Pick<ClockGuard, "refuse" | "witness"> = {
    refuse() {},
    witness() {},
  };

  /** See the static method. */
  constructor({ label = "house", clock }: HouseOptions) {
    this.clock = clock ?? new FakeClock(NOW, turn);
    this.random = new StreamRandom(label);
    this.crypto = new SimCrypto(new StreamRandom(`${label} crypto`));
    this.clusterKey = this.random.bytes(32);
    this.store = this.disk.open();
    this.fleet = new FleetIndex(this.store);
  }

  static async open(options: HouseOptions = {}): Promise<House> {
    const house = new House(options);
    await makeCluster(house.store, {
      crypto: house.crypto,
      random: house.random,
      now: house.clock.now(),
      clusterKey: house.clusterKey,
      leafLifeMs: options.leafLifeMs ?? 90 * 86_400_000,
      drill: options.drill ?? false,
    });
    house.authorities = await Authorities.open({
      ...house,
      keyRing: house.keyRing,
      makeSigner: (authority) => house.signs(authority),
    });
    house.authority = house.authorities.present;
    house.signer = localSigner(house.crypto, house.authority);
    await house.#furnish();
    return house;
  }

  get keyRing(): ReadonlyMap<number, Bytes> {
    return new Map([[1, this.clusterKey]]);
  }

  get cluster(): ClusterRecord {
    const cluster = this.store.view((view) => view.get("cluster", CLUSTER));
    if (cluster) return cluster;
    throw new Error("There is no cluster");
  }

  get nodes(): readonly NodeRecord[] {
    return this.store.view((view) => [...view.list("node")]);
  }

  /** The manager's own record. */
  get manager(): NodeRecord {
    const manager = this.nodes.find((each) => each.role === "manager");
    if (manager) return manager;
    throw new Error("There is no manager");
  }

  node(id: string): NodeRecord {
    const node = this.store.view((view) => view.get("node", id));
    if (node) return node;
    throw new Error(`There is no node ${id}`);
  }

  /** Changes a record as an operator would. */
  async change(id: string, change: Partial<NodeRecord>): Promise<void> {
    const next = { ...this.node(id), ...change };
    await this.store.update((tx) => tx.put("node", id, next));
    await turn();
  }

  async remove(id: string): Promise<void> {
    const removal = { nodeId: id, by: "operator", why: "it is to go" };
    const now = this.clock.now();
    await this.store.update((tx) => removeNode(tx, { ...removal, now }));
    await turn();
  }

  async join(key: KeyPair, role: Role = "worker"): Promise<IssuedResult> {
    const answer = await this.ask(key, {
      tokenId: this.cluster.tokens[role].id,
    });
    if ("applicant" in answer) throw new Error("It has to wait for approval");
    return answer;
  }

  /** Asks for a certificate with a token whose secret was proved right. */
  async ask(
    key: KeyPair,
    { tokenId, hostname = DESCRIPTION.hostname }: {
      readonly tokenId: string;
      readonly hostname?: string;
    },
  ): Promise<Outcome> {
    return await this.issuance.join({
      tokenId,
      csr: await createCsr(this.crypto, key),
      description: { ...DESCRIPTION, hostname },
      by: "10.0.0.9",
    });
  }

  /** A node that joined, and was not seen yet. */
  async addNode(role: Role = "worker"): Promise<TestNode> {
    const key = await this.crypto.generateKey();
    return asNode(key, await this.join(key, role));
  }

  /** A node that is there. */
  async addSeenNode(role: Role = "worker"): Promise<TestNode> {
    const added = await this.addNode(role);
    await this.seen(added.id);
    return added;
  }

  /** As if a connection had presented the pending certificate. */
  async seen(id: string): Promise<void> {
    const { node } = promotePending(this.node(id), this.clock.now());
    await this.store.update((tx) => tx.put("node", id, node));
  }

  /** The next certificate of a node, with a key of its own. */
  async renew(node: Pick<TestNode, "id">): Promise<TestNode> {
    await this.clock.advance(1_000);
    const key = await this.crypto.generateKey();
    const csr = await createCsr(this.crypto, key);
    const request = { csr, nodeId: node.id, by: node.id };
    return asNode(key, await this.issuance.renew(request));
  }

  /** Opens a connection that presents certificates, or none. */
  connect(presented: readonly Bytes[] = [], host = "10.0.0.9"): Caller {
    const remote = { host, port: 40_000 };
    const caller = new Caller(this.clock, { remote, presented });
    this.desk.accept(caller.pipe.near);
    return caller;
  }

  async audited(): Promise<readonly string[]> {
    const entries = await this.store.entries("audit", {
      after: 0,
      limit: 1_000,
    });
    return entries.map((entry) => entry.action);
  }

  /** The manager has another certificate from now on, and it was seen. */
  async renewOwn(): Promise<void> {
    this.serving = await this.own.renew();
    await this.own.seen(this.serving);
  }

  newId(): string {
    return newId(this.random);
  }

  async #furnish(): Promise<void> {
    const parts = { ...this, logger: this.logger };
    this.issuance = new Issuance({
      ...parts,
      managerNames: { dnsNames: [], ipAddresses: [] },
    });
    const nodeId = this.manager.id;
    this.own = new OwnIdentity({
      ...parts,
      identity: this.ownDisk.open(CALM),
      issuance: this.issuance,
      nodeId,
    });
    this.serving = await this.own.open();
    await this.own.seen(this.serving);
    this.tokens = new Tokens({ ...parts, keyRing: this.keyRing });
    this.drill = new DrillDesk(parts);
    this.gatekeeper = new Gatekeeper(parts);
    const { issuance, tokens, drill, gatekeeper } = this;
    const refusals = new Refusals(parts);
    this.heads = new AuditHeads({
      ...parts,
      nodeId,
      serving: () => this.serving,
    });
    this.rehearsal = new RehearsalDesk({
      ...parts,
      keyRing: this.keyRing,
      nodeId,
      followSelf: () => Promise.resolve(),
      get sessions() {
        return desk().sessions;
      },
    });
    const desk = () => this.desk;
    this.handlers = new Handlers({
      ...parts,
      ...{ issuance, tokens, drill, refusals, nodeId },
      rehearsal: this.rehearsal,
      recoveries: new Recoveries({ ...parts, issuance }),
    });
    this.desk = new Frontdesk({
      ...parts,
      gatekeeper,
      tokens,
      handlers: this.handlers,
      version: "1",
      nodeId,
      refusals,
      leafFingerprint: () => this.serving.certificate.fingerprint,
      auditHead: () => this.heads.newest,
    });
  }

  /** Whoever signs at the moment, for the first root; later ones sign themselves. */
  signs(authority: Authority): Signer {
    const { root } = this.authority ?? authority;
    return root === authority.root && this.signer
      ? this.signer
      : localSigner(this.crypto, authority);
  }
}

/** A node from the answer that made it. */
export function asNode(key: KeyPair, answer: IssuedResult): TestNode {
  return { id: answer.node, key, chain: answer.chain.map(fromBase64) };
}

/** A logger that keeps what it is told. */
export function loggerTo(logged: Logged[]): Logger {
  const to = (level: string) => (message: string, fields: LogFields = {}) => {
    logged.push({ level, message, fields });
  };
  return {
    debug: to("debug"),
    info: to("info"),
    warn: to("warn"),
    error: to("error"),
  };
}
