import { assert, assertEquals } from "@std/assert";
import { Cluster, type NodeRow } from "./cluster.ts";
import type { Swarmd } from "./harness.ts";
import { killAtEveryWrite, type Scenario } from "./kill/every_write.ts";
import { assertTidy, serialInUse, serialsKept } from "./kill/identity_check.ts";
import type { Run } from "./kill/kill_at.ts";

/** Nothing is due in a test that is not made due. */
const LIFE = "1h";

Deno.test("a kill at every write of worker join leaves a node or none, and never makes a second one", async () => {
  await killAtEveryWrite("worker join", Joins.open);
});

Deno.test("a kill at every write of a renewal leaves an identity that the manager accepts", async () => {
  await killAtEveryWrite("worker run, renewing", Renewals.open);
});

/** Machines that join one after the other, each of them once more. */
class Joins implements Scenario {
  readonly #cluster: Cluster;
  readonly #nodes = new Set<string>();
  #machine = "";

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  static async open(): Promise<Joins> {
    return new Joins(await Cluster.start({ life: LIFE }));
  }

  prepare(): Promise<Run> {
    this.#machine = `machine-${this.#nodes.size}`;
    const machine = this.#machine;
    return Promise.resolve({
      stateDir: this.#cluster.dir(machine),
      start: (options) => this.#cluster.join(machine, options),
      drive: (process: Swarmd) => process.waitFor("connected"),
    });
  }

  async check(): Promise<string> {
    const stateDir = this.#cluster.dir(this.#machine);
    const serial = await serialInUse(stateDir);
    const again = this.#cluster.join(this.#machine);
    const { node } = await again.waitFor("connected");
    this.#nodes.add(String(node));
    const workers = (await this.#cluster.nodes()).filter(isWorker);
    assertEquals(new Set(workers.map(({ id }) => id)), this.#nodes);
    await again.stop();
    await assertTidy(stateDir);
    assert(await serialInUse(stateDir));
    return serial ? "an identity" : "none";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }
}

/** Two workers that renew in turn, since a node must wait a second. */
class Renewals implements Scenario {
  readonly #cluster: Cluster;
  readonly #workers: { readonly name: string; readonly id: string }[];

  private constructor(cluster: Cluster, ids: readonly string[]) {
    this.#cluster = cluster;
    this.#workers = ids.map((id, i) => ({ id, name: `machine-${i}` }));
  }

  static async open(): Promise<Renewals> {
    const cluster = await Cluster.start({ life: LIFE });
    const ids: string[] = [];
    for (const i of [0, 1]) {
      const worker = await cluster.connectedWorker(`machine-${i}`);
      ids.push(String(worker.events[0]?.["node"]));
      await worker.stop();
    }
    return new Renewals(cluster, ids);
  }

  async prepare(): Promise<Run> {
    this.#workers.reverse();
    const { name } = this.#worker;
    await makeDue(this.#cluster.dir(name));
    return {
      stateDir: this.#cluster.dir(name),
      start: (options) => this.#cluster.runWorker(name, options),
      drive: (process: Swarmd) => process.waitFor("renewed"),
    };
  }

  async check(): Promise<string> {
    const { name, id } = this.#worker;
    const stateDir = this.#cluster.dir(name);
    const kept = await serialsKept(stateDir);
    const { certificate: { serial = "" } } = await this.#cluster.node(id);
    assert(kept.includes(serial), `kept ${kept}, the manager knows ${serial}`);
    const inUse = await serialInUse(stateDir);
    const again = this.#cluster.runWorker(name);
    await again.waitFor("connected");
    if (await isDue(stateDir)) await again.waitFor("renewed");
    await this.#assertAccepted();
    await again.stop();
    await assertTidy(stateDir);
    return inUse === serial ? "what the manager knows" : "its successor";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  get #worker() {
    const [worker] = this.#workers;
    if (!worker) throw new Error("No worker has joined");
    return worker;
  }

  /** What is on its disk is what the manager knows, and nobody came newly. */
  async #assertAccepted(): Promise<void> {
    const { name, id } = this.#worker;
    const serial = await serialInUse(this.#cluster.dir(name));
    await this.#cluster.node(
      id,
      ({ status, certificate }) =>
        status === "ready" && certificate["serial"] === serial,
    );
    const workers = (await this.#cluster.nodes()).filter(isWorker);
    const ids = this.#workers.map((each) => each.id);
    assertEquals(new Set(workers.map((each) => each.id)), new Set(ids));
  }
}

function isWorker({ role }: NodeRow): boolean {
  return role === "worker";
}

interface WorkerState {
  readonly nodes: Record<string, { renewAt: number }>;
}

async function readState(stateDir: string): Promise<WorkerState> {
  return JSON.parse(await Deno.readTextFile(`${stateDir}/state.json`));
}

/** Has the next start of a worker begin with a renewal. */
async function makeDue(stateDir: string): Promise<void> {
  const state = await readState(stateDir);
  for (const each of Object.values(state.nodes)) each.renewAt = 0;
  await Deno.writeTextFile(`${stateDir}/state.json`, JSON.stringify(state));
}

async function isDue(stateDir: string): Promise<boolean> {
  const { nodes } = await readState(stateDir);
  return Object.values(nodes).some(({ renewAt }) => renewAt === 0);
}
