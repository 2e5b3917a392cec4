import { assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { swarmd } from "./harness.ts";
import { killAtEveryWrite, type Scenario } from "./kill/every_write.ts";
import type { Run } from "./kill/kill_at.ts";
import { assertServes, copyFolder, startManager } from "./kill/manager.ts";
import { versionsIn } from "./secrets.ts";

const ON = ["cluster", "update", "--autolock=on"];
const OFF = ["cluster", "update", "--autolock=off"];
const ROTATE = ["unlock-key", "--rotate"];

Deno.test("a kill at every write of turning autolock on loses nothing, and the next start finishes it", async () => {
  await killAtEveryWrite("autolock on", () => Changes.open(ON));
});

Deno.test("a kill at every write of an unlock key's rotation loses nothing, and the next start finishes it", async () => {
  await killAtEveryWrite("unlock key", () => Changes.open(ROTATE));
});

Deno.test("a kill at every write of turning autolock off loses nothing, and the next start finishes it", async () => {
  await killAtEveryWrite("autolock off", () => Changes.open(OFF));
});

/** Copies of one cluster, whose keys at rest an operator changes. */
class Changes implements Scenario {
  readonly #cluster: Cluster;
  readonly #change: readonly string[];
  /** What the operator has to begin with; nothing without autolock. */
  readonly #first: string | undefined;
  #count = 0;
  #began = false;
  /** What the operator has, the newest first. */
  #keys: string[] = [];

  constructor(cluster: Cluster, change: readonly string[]) {
    this.#cluster = cluster;
    this.#change = change;
    const first = cluster.ready["unlockKey"];
    this.#first = first === undefined ? undefined : String(first);
  }

  static async open(change: readonly string[]): Promise<Changes> {
    const init = change === ON ? [] : ["--autolock"];
    const cluster = await Cluster.start({ init });
    await cluster.manager.stop();
    return new Changes(cluster, change);
  }

  async prepare(): Promise<Run> {
    this.#count++;
    this.#began = false;
    this.#keys = this.#first === undefined ? [] : [this.#first];
    await copyFolder(this.#cluster.dir(), this.#stateDir);
    await this.#writeKey();
    return {
      stateDir: this.#stateDir,
      start: (options) => this.#start(options),
      drive: async (manager) => {
        await manager.waitFor("ready");
        this.#began = true;
        await this.#order();
      },
      matters: () => this.#began,
    };
  }

  async check(): Promise<string> {
    const file = await this.#readFile();
    await this.#writeKey();
    await using manager = this.#start();
    await assertServes(this.#stateDir, await manager.waitFor("ready"));
    await manager.stop();
    return await this.#assertTidy(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  get #stateDir(): string {
    return this.#cluster.dir(`manager-${this.#count}`);
  }

  get #keyFile(): string {
    return this.#cluster.dir(`key-${this.#count}`);
  }

  #start(options: Parameters<typeof startManager>[1] = {}) {
    const env = { SWARMD_UNLOCK_KEY_FILE: this.#keyFile };
    return startManager(this.#stateDir, { ...options, env });
  }

  async #order(): Promise<void> {
    const dir = `--state-dir=${this.#stateDir}`;
    const { stdout } = await swarmd([...this.#change, "--json", dir]);
    const [key] = /SWMKEY-1-[0-9a-z-]+/.exec(stdout) ?? [];
    if (key !== undefined) this.#keys.unshift(key);
  }

  /** The one of the operator's keys that is wanted. */
  async #writeKey(): Promise<void> {
    const [, version] = /^(\d+):unlock:/.exec(await this.#readFile()) ?? [];
    const key = this.#keys.find((each) => each.split("-")[2] === version);
    assertEquals(key === undefined, version === undefined);
    await Deno.writeTextFile(this.#keyFile, `${key ?? "none"}\n`);
  }

  #readFile(): Promise<string> {
    return Deno.readTextFile(`${this.#stateDir}/cluster.key`);
  }

  async #assertTidy(before: string): Promise<string> {
    const dir = this.#stateDir;
    const [line = "", ...more] = (await this.#readFile()).trimEnd().split("\n");
    assertEquals(more, []);
    const version = Number(line.split(":")[0]);
    assertEquals(await versionsIn(dir), new Set([version]));
    const locked = line.includes("unlock");
    const names = await Array.fromAsync(Deno.readDir(`${dir}/identities`));
    assertEquals(names.length, 1);
    const key = await Deno.readTextFile(`${dir}/certificates/swarm-node.key`);
    assertEquals(key.includes("SEALED"), locked);
    const how = locked ? `locked ${version}` : `open ${version}`;
    return before.split("\n").length > 2 ? `${how}, unfinished` : how;
  }
}
