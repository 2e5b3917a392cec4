import { assert, assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { killAtEveryWrite, type Scenario } from "./kill/every_write.ts";
import { assertTidy, serialInUse, serialsKept } from "./kill/identity_check.ts";
import type { Run } from "./kill/kill_at.ts";
import { workersOf } from "./kill/manager.ts";
import { isDue, makeDue } from "./kill/worker.ts";

/** Nothing is due in a test that is not made due. */
const LIFE = "10m";

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

  constructor(cluster: Cluster) {
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
      drive: (worker) => worker.waitFor("connected"),
    });
  }

  async check(): Promise<string> {
    const stateDir = this.#cluster.dir(this.#machine);
    const serial = await serialInUse(stateDir);
    const again = this.#cluster.join(this.#machine);
    const { node } = await again.waitFor("connected");
    this.#nodes.add(String(node));
    const workers = await workersOf(this.#cluster.dir());
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

  constructor(cluster: Cluster, ids: readonly string[]) {
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
      drive: (worker) => worker.waitFor("renewed"),
    };
  }

  async check(): Promise<string> {
    const { name, id } = this.#worker;
    const stateDir = this.#cluster.dir(name);
    const kept = await serialsKept(stateDir);
    const workers = await workersOf(this.#cluster.dir());
    const row = workers.find((each) => each.id === id);
    const serial = row?.certificate["serial"] ?? "";
    assert(kept.includes(serial), `kept ${kept}, the manager knows ${serial}`);
    const inUse = await serialInUse(stateDir);
    assert(inUse);
    const due = await isDue(stateDir);
    const again = this.#cluster.runWorker(name);
    await again.waitFor("connected");
    if (due) await again.waitFor("renewed");
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
    const workers = await workersOf(this.#cluster.dir());
    const row = workers.find((each) => each.id === id);
    assertEquals([row?.status, row?.certificate["serial"]], ["ready", serial]);
    const ids = this.#workers.map((each) => each.id);
    assertEquals(new Set(workers.map((each) => each.id)), new Set(ids));
  }
}
