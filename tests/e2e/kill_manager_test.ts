import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";
import {
  eventually,
  type StartOptions,
  type Swarmd,
  type SwarmdEvent,
  TempFolder,
} from "./harness.ts";
import { killAtEveryWrite, type Scenario } from "./kill/every_write.ts";
import { assertTidy, serialInUse } from "./kill/identity_check.ts";
import type { Run } from "./kill/kill_at.ts";
import {
  assertOwnRow,
  assertServes,
  copyFolder,
  makeManagerDue,
  readyOrEnd,
  startManager,
  workersOf,
} from "./kill/manager.ts";
import { makeDue } from "./kill/worker.ts";

/** Nothing is due in a test that is not made due. */
const LIFE = "10m";
const INIT = ["--listen-addr=127.0.0.1:0", "--drill", `--cert-expiry=${LIFE}`];

Deno.test("a kill at every write of manager init leaves a cluster that serves, or says what to do", async () => {
  await killAtEveryWrite("manager init", Inits.open);
});

Deno.test("a kill at every write of a manager that lets a worker join loses nobody who was let in", async () => {
  await killAtEveryWrite("manager run, serving a join", Served.openJoins);
});

Deno.test("a kill at every write of a manager that serves a renewal loses no certificate", async () => {
  await killAtEveryWrite("manager run, serving a renewal", Served.openRenewals);
});

Deno.test("a kill at every write of a manager's own renewal leaves it able to serve", async () => {
  await killAtEveryWrite("manager run, renewing", OwnRenewals.open);
});

/** Clusters that are made, each in a directory of its own. */
class Inits implements Scenario {
  readonly #folder: TempFolder;
  #count = 0;
  /** What was there when `init` was tried again; by its names it decides. */
  readonly #tried = new Set<string>();
  #killed: Swarmd | undefined;

  constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  static async open(): Promise<Inits> {
    return new Inits(await TempFolder.make());
  }

  prepare(): Promise<Run> {
    this.#count++;
    return Promise.resolve({
      stateDir: this.#stateDir,
      start: (options) => this.#killed = this.#init(options),
      drive: (manager) => manager.waitFor("ready"),
    });
  }

  async check(): Promise<string> {
    const told = this.#killed?.events.find(({ event }) => event === "ready");
    await serialInUse(this.#stateDir);
    await using server = startManager(this.#stateDir);
    const ready = await readyOrEnd(server);
    if (ready) await assertServes(this.#stateDir, ready);
    if (told) assertEquals(ready?.["cluster"], told["cluster"]);
    await server.stop();
    const held = await partsIn(this.#stateDir);
    if (!ready) {
      assertEquals((await server.waitForEnd()).code, 3, server.stderr);
      assertMatch(server.stderr, /hint: .*`swarmd manager init`/);
    }
    if (!this.#tried.has(`${held}`)) await this.#tryAgain(held, ready);
    if (ready) return "a cluster";
    return held.length > 0 ? `${held.join(" ")}` : "nothing";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  get #stateDir(): string {
    return `${this.#folder.path}/manager-${this.#count}`;
  }

  #init(options: StartOptions = {}): Swarmd {
    const init = { command: "init", args: INIT } as const;
    return startManager(this.#stateDir, { ...options, ...init });
  }

  /** No second cluster comes where anything of one is. */
  async #tryAgain(
    held: readonly string[],
    ready: SwarmdEvent | undefined,
  ): Promise<void> {
    this.#tried.add(`${held}`);
    if (held.length > 0) await this.#assertRefused(held);
    if (ready) return;
    // What the hint says helps.
    for (const name of held) await Deno.remove(`${this.#stateDir}/${name}`);
    await using second = this.#init();
    await second.waitFor("ready");
  }

  async #assertRefused(held: readonly string[]): Promise<void> {
    await using second = this.#init();
    const { code, stderr } = await second.waitForEnd();
    assertEquals(code, 4, stderr);
    for (const name of held) assert(stderr.includes(name), stderr);
    assertMatch(stderr, /hint: .*`swarmd manager run`/);
  }
}

/** What a directory holds beside its lock, its socket and leftovers. */
async function partsIn(stateDir: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(stateDir)) names.push(name);
  } catch (error) {
    // Killed before it was made.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.filter((name) => !/^swarmd\.(lock|sock)$|^\.swarmd-/.test(name));
}

/** Copies of one cluster, each of which serves one worker. */
class Served implements Scenario {
  readonly #cluster: Cluster;
  /** What the worker waits for. */
  readonly #wanted: "connected" | "renewed";
  #count = 0;
  #worker: Swarmd | undefined;

  constructor(cluster: Cluster, wanted: "connected" | "renewed") {
    this.#cluster = cluster;
    this.#wanted = wanted;
  }

  static async openJoins(): Promise<Served> {
    const cluster = await Cluster.start({ life: LIFE });
    await cluster.manager.stop();
    return new Served(cluster, "connected");
  }

  static async openRenewals(): Promise<Served> {
    const cluster = await Cluster.start({ life: LIFE });
    await (await cluster.connectedWorker("worker")).stop();
    await cluster.manager.stop();
    await makeDue(cluster.dir("worker"));
    return new Served(cluster, "renewed");
  }

  async prepare(): Promise<Run> {
    this.#count++;
    this.#worker = undefined;
    await copyFolder(this.#cluster.dir(), this.#managerDir);
    if (this.#wanted === "renewed") {
      await copyFolder(this.#cluster.dir("worker"), this.#workerDir);
    }
    return {
      stateDir: this.#managerDir,
      start: (options) => startManager(this.#managerDir, options),
      drive: async (manager) => {
        await manager.waitFor("ready");
        const served = this.#startWorker().waitFor(this.#wanted);
        await Promise.race([served, manager.waitForEnd()]);
      },
      // How it starts is killed above.
      matters: () => this.#worker !== undefined,
    };
  }

  async check(): Promise<string> {
    const told = this.#worker?.events.find(({ event }) =>
      event === "joined" || event === "renewed"
    );
    await using manager = startManager(this.#managerDir);
    await manager.waitFor("ready");
    if (told) await this.#assertKnown(told);
    await this.#assertServed();
    await this.#worker?.kill();
    return told ? `told of "${told.event}"` : "told of nothing";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  get #name(): string {
    return `worker-${this.#count}`;
  }

  get #workerDir(): string {
    return this.#cluster.dir(this.#name);
  }

  get #managerDir(): string {
    return this.#cluster.dir(`manager-${this.#count}`);
  }

  #startWorker(): Swarmd {
    const machine = "worker";
    this.#worker = this.#wanted === "renewed"
      ? this.#cluster.runWorker(this.#name, { machine })
      : this.#cluster.join(this.#name, { machine });
    return this.#worker;
  }

  /** What a worker was told is not forgotten. */
  async #assertKnown({ event, node, serial }: SwarmdEvent): Promise<void> {
    const [row] = await workersOf(this.#managerDir);
    assertEquals(row?.id, node);
    if (event === "renewed") assertEquals(row?.certificate["serial"], serial);
  }

  /** One node, with the certificate that is on its disk. */
  async #assertServed(): Promise<void> {
    await eventually(`a session of ${this.#name}`, async () => {
      // A join that lost its manager has ended; it is tried again.
      if (!this.#worker || await hasEnded(this.#worker)) this.#startWorker();
      const [row, ...others] = await workersOf(this.#managerDir);
      assertEquals(others, []);
      // It may be replaced while it is read.
      const serial = await serialInUse(this.#workerDir).catch(() => {});
      const { certificate } = row ?? {};
      return row?.status === "ready" && certificate?.["serial"] === serial ||
        undefined;
    });
  }
}

function hasEnded(worker: Swarmd): Promise<boolean> {
  return worker.waitForEnd({ timeoutMs: 0 }).then(() => true, () => false);
}

/** Copies of one cluster, whose manager renews at once. */
class OwnRenewals implements Scenario {
  readonly #cluster: Cluster;
  #count = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  static async open(): Promise<OwnRenewals> {
    const cluster = await Cluster.start({ life: LIFE });
    await cluster.manager.stop();
    makeManagerDue(cluster.dir());
    return new OwnRenewals(cluster);
  }

  async prepare(): Promise<Run> {
    this.#count++;
    await copyFolder(this.#cluster.dir(), this.#stateDir);
    return {
      stateDir: this.#stateDir,
      start: (options) => startManager(this.#stateDir, options),
      drive: (manager) => manager.waitFor("renewed"),
    };
  }

  async check(): Promise<string> {
    const before = await serialInUse(this.#cluster.dir());
    const found = await serialInUse(this.#stateDir);
    assert(found);
    await using manager = startManager(this.#stateDir);
    await assertServes(this.#stateDir, await manager.waitFor("ready"));
    if (found === before) await manager.waitFor("renewed");
    await assertOwnRow(this.#stateDir, await serialInUse(this.#stateDir));
    await manager.stop();
    await assertTidy(this.#stateDir);
    return found === before ? "the old certificate" : "the new certificate";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  get #stateDir(): string {
    return this.#cluster.dir(`manager-${this.#count}`);
  }
}
