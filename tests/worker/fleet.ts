import type { WorkerOptions } from "../../lib/worker/worker.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { Worker } from "../../lib/worker/worker.ts";
import { turn } from "../fakes/clock.ts";
import { CALM, House, type HouseOptions } from "../manager/house.ts";
import { Running } from "../manager/running.ts";
import type { DiskEvents } from "../sim/sim_disk.ts";
import { Device, endpointOf, MANAGER } from "./device.ts";

/** A running manager, and the devices of its cluster. */
export class Fleet implements AsyncDisposable {
  readonly house: House;
  readonly running: Running;
  readonly processes: Process[] = [];

  /** See {@linkcode Fleet.open}. */
  constructor(house: House, running: Running) {
    this.house = house;
    this.running = running;
  }

  static async open(options: HouseOptions = {}): Promise<Fleet> {
    const house = await House.open(options);
    return new Fleet(house, await Running.start(house));
  }

  /** A machine that reaches the manager. */
  device(label: string): Device {
    const device = new Device(this.house, label);
    device.net.servers.set(MANAGER, {
      chain: () => {
        const { chainPem = "" } = this.running.credentials.at(-1) ?? {};
        return decodePem(chainPem, "CERTIFICATE");
      },
      accept: (connection) => this.running.accept(connection),
    });
    return device;
  }

  /** `worker join` on a device, and what runs then. */
  async join(device: Device, disk: DiskEvents = CALM): Promise<Process> {
    const token = await this.house.tokens.show("worker");
    const options = await startWorker(device.ports(disk), {
      join: {
        token: parseJoinToken(token),
        managers: [endpointOf(MANAGER)],
      },
      stateDir: "/state",
      signal: new AbortController().signal,
    });
    return await this.#run(options);
  }

  /** `worker run` on a device. */
  async run(device: Device, disk: DiskEvents = CALM): Promise<Process> {
    const { signal } = new AbortController();
    const options = await startWorker(device.ports(disk), {
      stateDir: "/state",
      signal,
    });
    return await this.#run(options);
  }

  /** A process whose end nobody waits for: it was killed. */
  forget(process: Process): void {
    this.processes.splice(this.processes.indexOf(process), 1);
    void process.stop();
  }

  async pass(ms: number): Promise<void> {
    await this.house.clock.advance(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.processes) await process.stop();
    await this.running[Symbol.asyncDispose]();
  }

  async #run(options: WorkerOptions): Promise<Process> {
    const process = new Process(new Worker(options));
    this.processes.push(process);
    await turn();
    return process;
  }
}

/** A worker that runs. */
export class Process {
  readonly worker: Worker;
  /** How it ended: with what it threw, if anything. */
  readonly ended: Promise<unknown>;
  readonly #stop = new AbortController();

  constructor(worker: Worker) {
    this.worker = worker;
    const { signal } = this.#stop;
    this.ended = worker.run(signal).then(() => undefined, (error) => error);
  }

  get id(): string {
    return this.worker.held.nodeId;
  }

  async stop(): Promise<unknown> {
    this.#stop.abort(new Error("stopped"));
    return await this.ended;
  }
}
