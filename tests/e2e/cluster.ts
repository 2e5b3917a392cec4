import {
  eventually,
  type LogLine,
  type StartOptions,
  Swarmd,
  swarmd,
  type SwarmdEvent,
  TempFolder,
} from "./harness.ts";

/** How a cluster is made. */
export interface ClusterOptions {
  /** Further arguments of `manager init`. */
  readonly init?: readonly string[];
  /** `host:port`; a free port of 127.0.0.1 where left out. */
  readonly listen?: string;
  /** Life of a certificate, for a cluster that is made with `--drill`. */
  readonly life?: string;
  /** The program that the manager is run from; the tests' where left out. */
  readonly binary?: string;
}

/** An element of `node ls --json`. */
export interface NodeRow {
  readonly id: string;
  readonly status: string;
  readonly role: string;
  readonly certificate: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/**
 * A manager, and the workers that a test lets join it, each a process of its
 * own. All of them are killed, and their folder is deleted, at the end.
 */
export class Cluster implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #processes: Swarmd[] = [];
  #manager: Swarmd | undefined;
  #ready: SwarmdEvent | undefined;

  constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(await TempFolder.make());
    try {
      await cluster.#init(options);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The state directory of one of its processes, or any other folder. */
  dir(name = "manager"): string {
    return `${this.#folder.path}/${name}`;
  }

  get manager(): Swarmd {
    if (!this.#manager) throw new Error("The manager was not started");
    return this.#manager;
  }

  /** What the manager told when it was ready. */
  get ready(): SwarmdEvent {
    if (!this.#ready) throw new Error("The manager is not ready");
    return this.#ready;
  }

  /** `host:port`. */
  get listen(): string {
    return String(this.ready["listen"]);
  }

  get port(): number {
    return Number(this.listen.split(":").at(-1));
  }

  get id(): string {
    return String(this.ready["cluster"]);
  }

  get tokens(): { readonly worker: string; readonly manager: string } {
    const tokens = this.ready["joinTokens"];
    return tokens as { readonly worker: string; readonly manager: string };
  }

  /** Serves the same cluster again, in a new process. */
  async runManager(options: StartOptions = {}): Promise<Swarmd> {
    const args = ["manager", "run", "--json", "--log-format=json"];
    const process = this.start([...args, `--state-dir=${this.dir()}`], options);
    await process.waitFor("ready");
    this.#manager = process;
    return process;
  }

  /** Starts `worker join` in a state directory, as a machine of that name. */
  join(name: string, options: WorkerOptions = {}): Swarmd {
    const { token = this.tokens.worker, managers = [this.listen] } = options;
    return this.start([
      ...["worker", "join", "--json", "--log-format=json"],
      `--state-dir=${this.dir(name)}`,
      ...options.args ?? [],
      ...managers,
    ], { ...options, env: { ...machine(name, options), SWARMD_TOKEN: token } });
  }

  /** Starts `worker run` there. */
  runWorker(name: string, options: WorkerOptions = {}): Swarmd {
    return this.start([
      ...["worker", "run", "--json", "--log-format=json"],
      `--state-dir=${this.dir(name)}`,
      ...options.args ?? [],
    ], { ...options, env: machine(name, options) });
  }

  /** Lets a worker join, and waits until it has its session. */
  async connectedWorker(
    name: string,
    options: WorkerOptions = {},
  ): Promise<Swarmd> {
    const worker = this.join(name, options);
    await worker.waitFor("connected");
    return worker;
  }

  /** Starts any process that ends with the cluster. */
  start(args: readonly string[], options: StartOptions = {}): Swarmd {
    const process = new Swarmd(args, options);
    this.#processes.push(process);
    return process;
  }

  /** What an operator's command writes, parsed. */
  async ask<T>(...args: readonly string[]): Promise<T> {
    const dir = `--state-dir=${this.dir()}`;
    const { code, stdout, stderr } = await swarmd([...args, "--json", dir]);
    if (code !== 0) throw new Error(`swarmd ${args.join(" ")}: ${stderr}`);
    return JSON.parse(stdout);
  }

  async nodes(): Promise<NodeRow[]> {
    return await this.ask<NodeRow[]>("node", "ls");
  }

  /** The row of a node, once it is as a test wants it. */
  async node(
    id: string,
    wanted: (row: NodeRow) => boolean = () => true,
  ): Promise<NodeRow> {
    return await eventually(`node ${id} such that ${wanted}`, async () => {
      const row = (await this.nodes()).find((each) => each.id === id);
      return row && wanted(row) ? row : undefined;
    });
  }

  /** The next refusal in the manager's log, after so many lines. */
  async refusal(
    code: string,
    { after }: { readonly after: number },
  ): Promise<LogLine> {
    const picked = (line: LogLine) => line["code"] === code;
    return await this.manager.waitForLog(picked, { after });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#processes) await each[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #init(options: ClusterOptions): Promise<void> {
    const { init = [], life, listen = "127.0.0.1:0", binary } = options;
    const args = [
      ...["manager", "init", "--json", "--log-format=json"],
      `--state-dir=${this.dir()}`,
      `--listen-addr=${listen}`,
      ...life === undefined ? [] : ["--drill", `--cert-expiry=${life}`],
      ...init,
    ];
    this.#manager = this.start(args, { ...binary !== undefined && { binary } });
    this.#ready = await this.#manager.waitFor("ready");
  }
}

/** How a worker is started. */
export interface WorkerOptions extends StartOptions {
  readonly token?: string;
  readonly managers?: readonly string[];
  readonly args?: readonly string[];
  /** What stands for the machine id; the name where left out. */
  readonly machine?: string;
}

function machine(
  name: string,
  options: WorkerOptions,
): Record<string, string> {
  return { SWARMD_MACHINE_ID: options.machine ?? name, ...options.env };
}
