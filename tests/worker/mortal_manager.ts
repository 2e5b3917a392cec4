import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import { Manager } from "../../lib/manager/manager.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type {
  Connection,
  ServerCredentials,
} from "../../lib/rpc/connection.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { turn } from "../fakes/clock.ts";
import { selfDialer } from "../fakes/self_dialer.ts";
import { House, type HouseOptions } from "../manager/house.ts";
import { Decisions } from "../sim/decisions.ts";
import type { DiskEvents } from "../sim/sim_disk.ts";
import type { Server } from "./net.ts";
import { DeadlyDisk, type Death } from "./kill.ts";

const NEVER: Death = { write: Infinity, when: "before" };

/** A process of a manager: killed, it leaves what its writes have done. */
interface Life {
  readonly manager: Manager;
  readonly store: Store;
  readonly stop: AbortController;
  accept: (connection: Connection) => void;
  credentials: ServerCredentials | undefined;
}

/**
 * The machine of a manager that dies at a write, be it of its store or of its
 * own identity, and is started again with what it left behind.
 */
export class MortalManager {
  readonly house: House;
  /** What the audit log does not say as it should. */
  readonly problems: string[] = [];
  readonly #decisions: Decisions;
  #disk = new DeadlyDisk(NEVER);
  #life: Life | undefined;
  /** Resolves at the moment of death. */
  died: Promise<void> = Promise.resolve();

  /** See the static method. */
  constructor(house: House, entries: number) {
    this.house = house;
    const fail = (text: string) => void this.problems.push(text);
    this.#decisions = new Decisions(fail, entries);
  }

  static async open(options: HouseOptions = {}): Promise<MortalManager> {
    const house = await House.open(options);
    const { length } = await house.audited();
    const mortal = new MortalManager(house, length);
    await mortal.start();
    return mortal;
  }

  get manager(): Manager {
    if (this.#life) return this.#life.manager;
    throw new Error("The manager is dead");
  }

  get store(): Store {
    if (this.#life) return this.#life.store;
    throw new Error("The manager is dead");
  }

  get cluster(): ClusterRecord {
    const cluster = this.store.view((view) => view.get("cluster", CLUSTER));
    if (cluster) return cluster;
    throw new Error("There is no cluster");
  }

  get isDead(): boolean {
    return this.#disk.dead;
  }

  /** Writes since the last {@linkcode dieAt}. */
  get writes(): readonly string[] {
    return this.#disk.writes;
  }

  /** How devices reach it: there is nobody while it is dead. */
  get server(): Server {
    return {
      chain: () => {
        const { chainPem } = this.#life?.credentials ?? {};
        return chainPem === undefined ? [] : decodePem(chainPem, "CERTIFICATE");
      },
      accept: (connection) => {
        if (this.#life) this.#life.accept(connection);
        else connection.destroy();
      },
    };
  }

  /** It dies at a write, counted from now. */
  dieAt(death: Death, andThen: () => void): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.died = promise;
    this.#disk = new DeadlyDisk(death);
    this.#disk.died = () => {
      this.#life?.stop.abort(new Error("killed"));
      this.#life = undefined;
      andThen();
      resolve();
    };
  }

  async start(): Promise<void> {
    const { house } = this;
    this.#disk = new DeadlyDisk(NEVER);
    const disk = this.#disk;
    house.disk.before = () => this.#disk.before("commit");
    house.disk.after = (changes) => {
      this.#decisions.committed(changes);
      return this.#disk.after();
    };
    const store = house.disk.open();
    const authorities = await Authorities.open({
      ...house,
      store,
      keyRing: house.keyRing,
      makeSigner: (authority) => localSigner(house.crypto, authority),
    });
    const life: Life = {
      store,
      stop: new AbortController(),
      manager: this.#newManager({ store, authorities, life: () => life }),
      accept: () => {},
      credentials: undefined,
    };
    this.#life = life;
    const { signal } = life.stop;
    life.manager.run(signal, () => Promise.resolve()).catch((error) => {
      if (!signal.aborted) this.problems.push(`The manager ended: ${error}`);
    });
    await turn();
    if (disk.dead) throw new Error("It died at its start");
  }

  /** Ends in order. */
  async stop(): Promise<void> {
    this.#life?.stop.abort(new Error("stopped"));
    await turn();
  }

  /** Follows the chain of the audit log to its end. */
  async readLog(): Promise<void> {
    await this.#decisions.look(this.store);
  }

  #newManager({ store, authorities, life }: {
    readonly store: Store;
    readonly authorities: Authorities;
    readonly life: () => Life;
  }): Manager {
    const { house } = this;
    const events: DiskEvents = {
      before: (what) => this.#disk.before(what),
      after: () => this.#disk.after(),
    };
    return new Manager({
      ports: {
        ...house,
        store,
        authorities,
        identity: house.ownDisk.open(events),
        dialer: selfDialer(() => life().credentials),
        listen: (credentials, accept) => {
          Object.assign(life(), { credentials, accept });
          return Promise.resolve({
            endpoint: { host: "0.0.0.0", port: 2377 },
            replace: (next) => life().credentials = next,
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
      keyRing: house.keyRing,
      event: () => {},
    });
  }
}
