import { type Answer, BenchProcess } from "./process.ts";

/** Joins, and renewals, that are under way at the same time. */
export const WIDTH = 64;

/** What the machine does without us, beside which a fleet is measured. */
export interface FleetLimits {
  /** Raw mutual handshakes that a core of the server does in a second. */
  readonly handshakes: number;
  /** Checks and signatures of P-256, one of each, a core-second. */
  readonly pairs: number;
  /** Memory of a raw TLS server for an idle connection, in kB. */
  readonly idleKb: number;
}

/** How a fleet is made. */
export interface FleetOptions {
  /** Nodes; a multiple of the hosts. */
  readonly size: number;
  /** Processes that play the fleet; each holds an equal part of it. */
  readonly hosts: number;
  /** Whether nodes keep their identities in folders, or in memory. */
  readonly folders: boolean;
}

/** What a piece of work took. */
export interface Cost {
  /** Processor time of the manager, in milliseconds. */
  readonly cpuMs: number;
  /** In milliseconds. */
  readonly wallMs: number;
}

/** A manager, and a fleet in a few other processes. */
export class Fleet implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #folder: string;
  readonly #hosts: BenchProcess[] = [];
  readonly #options: FleetOptions;
  #manager: BenchProcess | undefined;
  #hello: Answer = {};

  constructor(folder: string, options: FleetOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#stack.defer(() => Deno.remove(folder, { recursive: true }));
  }

  /** Its hosts run, and nobody has joined. */
  static async start(options: FleetOptions): Promise<Fleet> {
    const folder = await Deno.makeTempDir({ prefix: "swarmd-bench-" });
    const fleet = new Fleet(folder, options);
    try {
      for (let i = 0; i < options.hosts; i++) {
        fleet.#hosts.push(await fleet.host(i));
      }
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  get size(): number {
    return this.#options.size;
  }

  get hosts(): readonly BenchProcess[] {
    return this.#hosts;
  }

  /** Where the manager is, and the token of its workers. */
  get place(): Answer {
    const { port, token } = this.#hello;
    return { port, token };
  }

  get manager(): BenchProcess {
    if (!this.#manager) throw new Error("The manager was not started");
    return this.#manager;
  }

  /** A process for nodes, whose folders carry a number of it. */
  async host(index: number): Promise<BenchProcess> {
    const { folders } = this.#options;
    const folder = folders ? [`--folder=${this.#folder}/host-${index}`] : [];
    const host = this.#stack.use(
      new BenchProcess("fleet_child.ts", [`--index=${index}`, ...folder]),
    );
    await host.answer();
    return host;
  }

  async startManager(args: readonly string[] = []): Promise<void> {
    const { port } = this.#hello;
    const old = port === undefined ? [] : [`--port=${port}`];
    const manager = new BenchProcess("manager_child.ts", [
      `--folder=${this.#folder}`,
      ...old,
      ...args,
    ]);
    this.#stack.use(manager);
    this.#manager = manager;
    this.#hello = await manager.answer();
  }

  /** Has every host do something to its part of the fleet. */
  async all(action: string, asked: Answer = {}): Promise<Answer[]> {
    const { size, hosts } = this.#options;
    const share = { count: size / hosts, width: WIDTH / hosts };
    const parts = { ...share, ...this.place, ...asked };
    return await Promise.all(
      this.#hosts.map((host) => host.ask(action, parts)),
    );
  }

  /** Whatever every host counts, together. */
  async sum(action: string, name: string): Promise<number> {
    const answers = await this.all(action);
    return answers.reduce((sum, answer) => sum + Number(answer[name]), 0);
  }

  /** What some work costs the manager, and how long it takes. */
  async timed(work: () => Promise<unknown>): Promise<Cost> {
    const { manager } = this;
    const before = manager.cpuMs;
    const began = performance.now();
    await work();
    return {
      cpuMs: manager.cpuMs - before,
      wallMs: performance.now() - began,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** What a manager does for each: so many handshakes, and a certificate. */
export function limitOf(limits: FleetLimits, handshakes: number): number {
  return 1 / (handshakes / limits.handshakes + 1 / limits.pairs);
}

/** Lets what was begun before come to its end. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000));
}
