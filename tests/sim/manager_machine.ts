import { type Bytes, utf8 } from "../../lib/base/bytes.ts";
import type { Change, Store } from "../../lib/cluster/store.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import { makeCluster } from "../../lib/manager/bootstrap.ts";
import { ManagerApi } from "../../lib/manager/local_api.ts";
import { Manager } from "../../lib/manager/manager.ts";
import type { ManagerPorts } from "../../lib/manager/ports.ts";
import { type JoinToken, parseJoinToken } from "../../lib/pki/join_token.ts";
import type { ServerCredentials } from "../../lib/rpc/connection.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { Machine, type Surroundings } from "./machine.ts";
import { SimDesk } from "./numbers.ts";
import type { Host } from "./pipe.ts";
import type { SimProcess } from "./process.ts";

/** The port that it listens on. */
export const PORT = 2377;

/** What the manager's machine needs besides. */
export interface ManagerSurroundings extends Surroundings {
  readonly heartbeatMs: number;
  readonly leafLifeMs: number;
}

/** A machine with a manager on it. */
export class ManagerMachine extends Machine {
  protected override readonly around: ManagerSurroundings;
  readonly #storeDisk = new StoreDisk();
  readonly #keyRing: ReadonlyMap<number, Bytes>;
  manager: Manager | undefined;
  #api: ManagerApi | undefined;
  authorities: Authorities | undefined;
  /** Is told of every transaction. */
  committed: (changes: readonly Change[]) => void = () => {};
  /** While a process runs. */
  store: Store | undefined;
  /** Known once it has served. */
  token: JoinToken | undefined;

  constructor(around: ManagerSurroundings, host: Host) {
    super(around, host);
    this.around = around;
    this.#keyRing = new Map([[1, host.random.bytes(32)]]);
  }

  /** What listeners of the store threw. */
  get reported(): readonly unknown[] {
    return this.#storeDisk.reported;
  }

  protected override async run(process: SimProcess): Promise<void> {
    const { crypto } = process;
    const store = this.#openStore(process);
    this.store = store;
    await this.#makeOnce(process, store);
    const authorities = await Authorities.open({
      store,
      crypto,
      keyRing: this.#keyRing,
      makeSigner: (authority) => localSigner(crypto, authority),
    });
    this.authorities = authorities;
    const manager = this.#open({ ...this.#ports(process), store, authorities });
    await manager.run(process.stop.signal, async () => {
      if (process.alive) {
        this.manager = manager;
        this.#api = new ManagerApi({
          manager,
          store,
          crypto,
          version: "1.0.0",
        });
      }
      await this.showToken(manager);
      this.works();
    });
  }

  /** What who connects is shown. */
  get served(): ServerCredentials | undefined {
    const { process } = this;
    return process && this.around.network.served(process);
  }

  protected override forget(): void {
    this.manager = undefined;
    this.#api = undefined;
    this.authorities = undefined;
    this.store = undefined;
  }

  protected override wrote(): void {}

  /** Tokens pin the root of their day: who joins is given the present one. */
  async showToken(manager = this.manager): Promise<void> {
    const text = await manager?.tokens.show("worker");
    if (text !== undefined) this.token = parseJoinToken(text);
  }

  /** What the operator of this machine asks for; a refusal is in the log. */
  async operate(path: string, body: unknown): Promise<void> {
    const text = utf8(JSON.stringify(body));
    const answer = await this.#api
      ?.operate({ method: "POST", path, body: text });
    if (answer?.status === 200) return;
    this.log(`operator: ${path}: ${answer?.body ?? "nobody answers"}`);
  }

  /** Each commit is a write like any other: a crash comes before or after it. */
  #openStore({ disk }: SimProcess): Store {
    this.#storeDisk.before = () => disk.before("commit");
    this.#storeDisk.after = async (changes) => {
      this.committed(changes);
      await disk.after("commit");
    };
    return this.#storeDisk.open();
  }

  async #makeOnce(process: SimProcess, store: Store): Promise<void> {
    if (store.view((view) => view.count("cluster")) > 0) return;
    const { crypto, random, clock } = process;
    const { heartbeatMs, leafLifeMs } = this.around;
    await makeCluster(store, {
      crypto,
      random,
      now: clock.now(),
      clusterKey: this.#keyRing.get(1) ?? new Uint8Array(),
      leafLifeMs,
      heartbeatMs,
      drill: true,
    });
  }

  #ports(process: SimProcess): Omit<ManagerPorts, "store" | "authorities"> {
    const { network, log } = this.around;
    return {
      clock: process.clock,
      random: process.random,
      crypto: process.crypto,
      logger: log.logger(this.name),
      identity: this.disk.open(process.disk),
      dialer: network.dialer(process),
      listen: (credentials, accept) =>
        Promise.resolve(
          network.listen({ process, port: PORT, credentials, accept }),
        ),
    };
  }

  #open(ports: ManagerPorts): Manager {
    const { numbers, numbersMs } = this.around;
    const { clock } = ports;
    return new Manager({
      ports,
      settings: {
        version: "1.0.0",
        hostname: this.name,
        os: "linux",
        arch: "x86_64",
        advertise: [{ host: this.host.ip }],
      },
      keyRing: this.#keyRing,
      event: (event) => this.log(`event ${event.event}`),
      drill: new SimDesk({ clock, numbers, periodMs: numbersMs }),
    });
  }
}
