import { hasCode } from "../../lib/base/errors.ts";
import type { JoinToken } from "../../lib/pki/join_token.ts";
import type { Endpoint } from "../../lib/rpc/connection.ts";
import type { WorkerEvent, WorkerPorts } from "../../lib/worker/ports.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { Worker } from "../../lib/worker/worker.ts";
import { Machine, type Surroundings } from "./machine.ts";
import { SimApp } from "./numbers.ts";
import type { Host } from "./pipe.ts";
import { aWrite, type SimProcess } from "./process.ts";
import type { DiskImage } from "./sim_disk.ts";

/** What worker machines need besides. */
export interface WorkerSurroundings extends Surroundings {
  readonly managers: readonly Endpoint[];
  readonly token: () => JoinToken;
  /** A write has happened on this machine's disk. */
  readonly wrote: (machine: WorkerMachine, what: string) => void;
  readonly told: (machine: WorkerMachine, event: WorkerEvent) => void;
  /** It was told that an operator rejected it, and its process ends. */
  readonly rejected: (machine: WorkerMachine) => void;
}

/** A machine with a worker on it. */
export class WorkerMachine extends Machine {
  protected override readonly around: WorkerSurroundings;
  /** What tells this machine from a copy of its disk. */
  readonly binding: string;
  /** What its unit file says. */
  command: "join" | "run" = "join";
  /** The one that its unit file says, since it joined with it. */
  token: JoinToken | undefined;
  /** Node that it became at its last join. */
  nodeId: string | undefined;
  worker: Worker | undefined;
  /** Hash of the key with which its process waits for an operator, if it does. */
  pendingKey: string | undefined;
  /** What its disk once looked like. */
  image: DiskImage | undefined;
  /** Why nobody can expect that its identity is good, if so. */
  spoilt: string | undefined;

  constructor(
    around: WorkerSurroundings,
    { host, binding }: { readonly host: Host; readonly binding: string },
  ) {
    super(around, host);
    this.around = around;
    this.binding = binding;
  }

  /** Whether it believes to be connected. */
  get connected(): boolean {
    return this.worker?.uplink.connected ?? false;
  }

  /** Perhaps its next process dies at a write. */
  mayDieAgain(): void {
    const { random } = this.host;
    if (random.chance(0.2)) this.crashPlan = aWrite(random);
  }

  keepImage(): void {
    if (this.disk.identity) this.image = this.disk.image;
  }

  protected override async run(process: SimProcess): Promise<void> {
    const { managers, numbers, numbersMs } = this.around;
    const ports = this.#ports(process);
    const { signal } = process.stop;
    const options = await startWorker(ports, {
      stateDir: this.name,
      signal,
      ...(this.command === "join" &&
        { join: { token: this.#currentToken(), managers } }),
    }).catch((error) => {
      if (process.alive && hasCode(error, "rejected")) {
        this.around.rejected(this);
      }
      throw error;
    });
    const { clock } = ports;
    const drill = new SimApp({ clock, numbers, periodMs: numbersMs });
    const worker = new Worker({ ...options, drill });
    if (!process.alive) return;
    this.worker = worker;
    this.nodeId = worker.held.nodeId;
    await worker.run(signal);
  }

  protected override forget(): void {
    this.worker = undefined;
    this.pendingKey = undefined;
  }

  protected override wrote(what: string): void {
    this.around.wrote(this, what);
  }

  /** Nobody changes a unit file that has done its work. */
  #currentToken(): JoinToken {
    if (!this.disk.identity) this.token = undefined;
    return this.token ??= this.around.token();
  }

  #ports(process: SimProcess): WorkerPorts {
    const { network, log } = this.around;
    const { binding } = this;
    return {
      clock: process.clock,
      random: process.random,
      crypto: process.crypto,
      logger: log.logger(this.name),
      identity: this.disk.open(process.disk),
      dialer: network.dialer(process),
      machine: {
        hostname: this.name,
        os: "linux",
        arch: "x86_64",
        binding,
        is: (other) => other === binding,
      },
      version: "1.0.0",
      event: (event) => {
        if (process.alive) this.#told(event);
      },
    };
  }

  #told(event: WorkerEvent): void {
    this.log(`event ${event.event} ${event.node}`);
    this.pendingKey = pendingKey(event) ?? this.pendingKey;
    if (DECIDED.has(event.event)) this.pendingKey = undefined;
    if (event.event === "connected") this.works();
    if (event.event === "joined") {
      if (this.host.random.chance(0.75)) this.command = "run";
      this.nodeId = event.node;
      this.spoilt = undefined;
    }
    this.around.told(this, event);
  }
}

/** What nobody hears who waits. */
const DECIDED: ReadonlySet<WorkerEvent["event"]> = new Set([
  "joined",
  "connected",
  "recovered",
]);

function pendingKey(event: WorkerEvent): string | undefined {
  return event.event === "pending" ? event.fingerprint : undefined;
}
