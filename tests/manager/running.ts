import type { Bytes } from "../../lib/base/bytes.ts";
import type { ManagerEvent } from "../../lib/manager/events.ts";
import type { Sealing } from "../../lib/manager/housekeeping.ts";
import { ManagerApi } from "../../lib/manager/local_api.ts";
import { Manager } from "../../lib/manager/manager.ts";
import type {
  AdvertisedAddress,
  ManagerPorts,
} from "../../lib/manager/ports.ts";
import type {
  Connection,
  ServerCredentials,
} from "../../lib/rpc/connection.ts";
import { turn } from "../fakes/clock.ts";
import { selfDialer } from "../fakes/self_dialer.ts";
import type { DiskEvents } from "../sim/sim_disk.ts";
import { Caller } from "./caller.ts";
import { CALM, type House } from "./house.ts";

/** What a manager is started with. */
export interface RunningOptions {
  readonly disk?: DiskEvents;
  readonly advertise?: readonly AdvertisedAddress[];
  readonly sealing?: Sealing;
  /** How it dials itself. Default: as it is. */
  readonly dialer?: ManagerPorts["dialer"];
}

/** A whole manager, with its loops, on the fakes of a house. */
export class Running implements AsyncDisposable {
  readonly house: House;
  readonly manager: Manager;
  readonly api: ManagerApi;
  readonly events: ManagerEvent[] = [];
  /** What it listened with, and what it swapped in since. */
  readonly credentials: ServerCredentials[] = [];
  /** How the run ended. */
  readonly ended: Promise<unknown>;
  readonly #stop = new AbortController();
  #accept: (connection: Connection) => void = () => {};

  /** See the static method. */
  constructor(house: House, options: RunningOptions) {
    this.house = house;
    const { store, crypto } = house;
    this.manager = new Manager({
      ports: {
        ...house,
        identity: house.ownDisk.open(options.disk ?? CALM),
        dialer: options.dialer ?? selfDialer(() => this.credentials.at(-1)),
        listen: (credentials, accept) => {
          this.credentials.push(credentials);
          this.#accept = accept;
          return Promise.resolve({
            endpoint: { host: "0.0.0.0", port: 2377 },
            replace: (next) => this.credentials.push(next),
            close: () => Promise.resolve(),
          });
        },
      },
      settings: {
        version: "1",
        hostname: "m",
        os: "linux",
        arch: "x86_64",
        advertise: options.advertise ?? [{ host: "10.0.0.5" }],
      },
      keyRing: house.keyRing,
      event: (event) => this.events.push(event),
      ...(options.sealing && { sealing: options.sealing }),
    });
    const { manager } = this;
    this.api = new ManagerApi({ manager, store, crypto, version: "1" });
    this.ended = this.#run();
  }

  static async start(
    house: House,
    options: RunningOptions = {},
  ): Promise<Running> {
    const running = new Running(house, options);
    await turn();
    return running;
  }

  get isRunning(): boolean {
    return !this.#stop.signal.aborted;
  }

  /** A connection has come. */
  accept(connection: Connection): void {
    this.#accept(connection);
  }

  connect(presented: readonly Bytes[] = []): Caller {
    const remote = { host: "10.0.0.9", port: 40_000 };
    const caller = new Caller(this.house.clock, { remote, presented });
    this.#accept(caller.pipe.near);
    return caller;
  }

  /** What the operator's API answers, parsed. */
  async get(path: string): Promise<{ status: number; body: unknown }> {
    const answer = await this.api.answer({ method: "GET", path });
    return { status: answer.status, body: JSON.parse(answer.body) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("stopped"));
    await this.ended;
  }

  /** Any end of it, but for the one that was asked for, is a result. */
  async #run(): Promise<unknown> {
    const { signal } = this.#stop;
    try {
      await this.manager.run(signal, () => Promise.resolve());
      return undefined;
    } catch (error) {
      return signal.aborted ? undefined : error;
    } finally {
      this.#stop.abort();
    }
  }
}
