import type { SwarmdError } from "../../lib/base/errors.ts";
import type { HeldIdentity } from "../../lib/worker/held_identity.ts";
import { Uplink, type UplinkParts } from "../../lib/worker/uplink.ts";
import { turn } from "../fakes/clock.ts";
import { House } from "../manager/house.ts";
import { Device, endpointOf, MANAGER } from "./device.ts";
import { Scripted } from "./scripted.ts";

/** An uplink that runs, between a device and a scripted manager. */
export class UplinkRig implements AsyncDisposable {
  readonly house: House;
  readonly device: Device;
  readonly manager: Scripted;
  readonly uplink: Uplink;
  readonly pushed: [string, unknown][] = [];
  readonly established: { held: HeldIdentity; fresh: boolean }[] = [];
  readonly refused: string[] = [];
  held: HeldIdentity;
  managers: readonly string[] = [MANAGER];
  /** How the run ended: with what it threw, if anything. */
  ended: Promise<unknown> = Promise.resolve();
  readonly #stop = new AbortController();

  /** See {@linkcode UplinkRig.open}. */
  constructor(
    device: Device,
    { held, manager }: {
      readonly held: HeldIdentity;
      readonly manager: Scripted;
    },
  ) {
    this.house = device.house;
    this.device = device;
    this.held = held;
    this.manager = manager;
    this.uplink = new Uplink(this.#parts());
  }

  /** A device that has joined; nothing runs yet. */
  static async open(house?: House): Promise<UplinkRig> {
    const device = new Device(house ?? await House.open());
    const held = await device.join();
    const manager = await Scripted.of(device.house);
    device.net.servers.set(MANAGER, manager);
    return new UplinkRig(device, { held, manager });
  }

  /** Connected, with the first turns over. */
  static async start(house?: House): Promise<UplinkRig> {
    const rig = await UplinkRig.open(house);
    await rig.run();
    return rig;
  }

  async run(): Promise<void> {
    const { signal } = this.#stop;
    this.ended = this.uplink.run(signal).then(() => undefined, (e) => e);
    await turn();
  }

  /** Time passes; a scripted manager answers heartbeats. */
  async pass(ms: number): Promise<void> {
    await this.house.clock.advance(ms);
  }

  /** What the operator was told of connections. */
  get told(): string[] {
    return this.device.events.map(({ event }) => event);
  }

  /** When it dialled, by the monotonic clock. */
  get dials(): number[] {
    return this.device.net.dialled.filter(({ verified, presented }) =>
      verified && presented.length > 0
    ).map(({ at }) => at);
  }

  async stop(): Promise<unknown> {
    this.#stop.abort(new Error("stopped"));
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #parts(): UplinkParts {
    return {
      ...this.device.ports(),
      held: () => this.held,
      generation: () => 0,
      voids: () => [],
      managers: () => this.managers.map(endpointOf),
      established: ({ held }, fresh) => this.established.push({ held, fresh }),
      refused: (_at, error: SwarmdError) => this.refused.push(error.code),
      pushed: (method, params) => this.pushed.push([method, params]),
    };
  }
}
