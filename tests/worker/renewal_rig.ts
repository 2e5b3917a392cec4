import { fromBase64 } from "../../lib/base/bytes.ts";
import { drawRenewal } from "../../lib/cluster/expiry.ts";
import { readCsr } from "../../lib/pki/csr.ts";
import type { LeafProfile } from "../../lib/pki/profile.ts";
import type { IssuedResult } from "../../lib/rpc/schemas.ts";
import {
  type HeldIdentity,
  readStored,
} from "../../lib/worker/held_identity.ts";
import type { WorkerPorts } from "../../lib/worker/ports.ts";
import { Renewal } from "../../lib/worker/renewal.ts";
import { turn } from "../fakes/clock.ts";
import { CALM, House, type HouseOptions } from "../manager/house.ts";
import type { DiskEvents } from "../sim/sim_disk.ts";
import { forgeLeaf } from "../fakes/forge.ts";
import { Device } from "./device.ts";
import { issuedAnswer, profileIn } from "./scripted.ts";

/** How a rig is made. */
export interface RigOptions extends HouseOptions {
  readonly disk?: DiskEvents;
  /** Changes the disk as the renewal sees it. */
  readonly ports?: (ports: WorkerPorts) => WorkerPorts;
}

/** The renewal of a joined device; its manager is the test. */
export class RenewalRig implements AsyncDisposable {
  readonly house: House;
  readonly device: Device;
  readonly renewal: Renewal;
  /** Requests, by the monotonic clock. */
  readonly asked: { readonly at: number; readonly csr: string }[] = [];
  readonly moves: string[] = [];
  readonly remembered: number[] = [];
  /** What confirmations failed with. */
  readonly told: unknown[] = [];
  held: HeldIdentity;
  /** Answers a request; at first as the manager of the house does. */
  answer: (csr: string) => Promise<IssuedResult>;
  /** Whether the next hello is answered as soon as the session is to move. */
  confirms = true;
  ended: Promise<unknown> = Promise.resolve();
  readonly #stop = new AbortController();

  /** See {@linkcode RenewalRig.open}. */
  constructor(
    device: Device,
    { held, disk = CALM, ports = (p) => p }: RigOptions & {
      readonly held: HeldIdentity;
    },
  ) {
    this.house = device.house;
    this.device = device;
    this.held = held;
    this.answer = (csr) => this.issue(csr);
    const { issuedAt, certificate: { notAfter } } = held;
    const due = drawRenewal({ issuedAt, notAfter }, device.random);
    this.renewal = new Renewal({
      ...ports(device.ports(disk)),
      held: () => this.held,
      reload: () => this.#reload(),
      use: (next) => this.held = next,
      expect: () => Promise.resolve(),
      remember: (_, renewAt) => void this.remembered.push(renewAt),
      ask: (csr) => {
        this.asked.push({ at: this.house.clock.monotonic(), csr });
        return this.answer(csr);
      },
      move: (reason) => this.#move(reason),
    }, due);
  }

  static async open(options: RigOptions = {}): Promise<RenewalRig> {
    const device = new Device(await House.open(options));
    const held = await device.join();
    await device.house.seen(held.nodeId);
    return new RenewalRig(device, { ...options, held });
  }

  static async start(options: RigOptions = {}): Promise<RenewalRig> {
    const rig = await RenewalRig.open(options);
    await rig.run();
    return rig;
  }

  async run(): Promise<void> {
    const { signal } = this.#stop;
    this.ended = this.renewal.run(signal).then(() => undefined, (e) => e);
    await turn();
  }

  /** What the manager of the house issues. */
  async issue(csr: string): Promise<IssuedResult> {
    const nodeId = this.held.nodeId;
    const request = { csr: fromBase64(csr), nodeId, by: nodeId };
    return await this.house.issuance.renew(request);
  }

  /** A manager answers a hello with the identity in use. */
  async confirm(): Promise<void> {
    await this.house.seen(this.held.nodeId);
    await this.renewal.confirmed(this.held);
  }

  async pass(ms: number): Promise<void> {
    await this.house.clock.advance(ms);
  }

  /** Until the drawn moment, and a little more. */
  async untilDue(): Promise<void> {
    const left = this.renewal.view.dueAt - this.house.clock.now();
    await this.pass(Math.max(0, Math.ceil(left)));
  }

  /** Certificates that were renewed, as the operator was told. */
  get renewed(): number {
    return this.device.events.filter((e) => e.event === "renewed").length;
  }

  async stop(): Promise<unknown> {
    this.#stop.abort(new Error("stopped"));
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #move(reason: string): void {
    this.moves.push(reason);
    if (!this.confirms) return;
    // As the worker does: who answers hello does not wait for the disk.
    queueMicrotask(() =>
      this.confirm().catch((error) => this.told.push(error))
    );
  }

  async #reload(): Promise<HeldIdentity> {
    const { crypto, disk: { identity } } = this.device;
    if (!identity) throw new Error("There is no identity");
    return await readStored(crypto, identity, { now: this.house.clock.now() });
  }
}

/** A manager that signs what it should not. */
export function forging(
  rig: RenewalRig,
  change: () => Partial<LeafProfile>,
): (csr: string) => Promise<IssuedResult> {
  return async (csr) => {
    const { house } = rig;
    const { spki } = await readCsr(house.crypto, fromBase64(csr));
    const { nodeId } = rig.held;
    const leaf = await forgeLeaf(house.crypto, {
      forger: house.authority,
      profile: profileIn(house, {
        spki,
        nodeId,
        role: "worker",
        ...change(),
      }),
    });
    const made = { node: nodeId, chain: [leaf] };
    return issuedAnswer(house, made) as IssuedResult;
  };
}

/** Pauses between requests, in milliseconds. */
export function pauses({ asked }: RenewalRig): number[] {
  return asked.slice(1).map(({ at }, i) => at - (asked[i]?.at ?? 0));
}
