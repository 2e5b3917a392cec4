import { assert, assertEquals } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { RotationOutcome } from "../../lib/cluster/root_record.ts";
import { bundleOf } from "../../lib/cluster/root_views.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import type { RotationDesk } from "../../lib/manager/rotation_desk.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { Worker } from "../../lib/worker/worker.ts";
import { turn } from "../fakes/clock.ts";
import { AUTHORITY, foreignRoot, reading } from "../manager/foreign_root.ts";
import { Device, endpointOf, MANAGER } from "./device.ts";
import { Process } from "./fleet.ts";
import { type Death, deaths } from "./kill.ts";
import { MortalManager } from "./mortal_manager.ts";

/** What an operator does, again where the manager died at it. */
interface Act {
  readonly does: (desk: RotationDesk, store: Store) => Promise<unknown>;
  readonly isDone: (cluster: ClusterRecord) => boolean;
}

const start = (generation: number): Act => ({
  does: (desk) => desk.start({}),
  isDone: (cluster) => (cluster.generation ?? 1) >= generation,
});
const abort: Act = {
  does: (desk) => desk.abort(),
  isDone: ({ rotation }) =>
    !rotation || ["recalling", "returning"].includes(rotation.phase),
};
const trustFirst: Act = {
  does: (desk) => desk.start({ trustFirst: true }),
  isDone: ({ generation = 1 }) => generation >= 3,
};
/** In the moment in which it begins: one manager alone is done soon after. */
const abortSwitching: Act = {
  isDone: (cluster) => trustFirst.isDone(cluster) && abort.isDone(cluster),
  does: (desk, store) => {
    const unwatch = store.watch(() => look());
    const look = () => {
      if (phaseOf(store) !== "switching") return;
      unwatch();
      void desk.abort();
    };
    look();
    return Promise.resolve();
  },
};
const finish: Act = {
  does: (desk) => desk.finish(),
  isDone: ({ rotation }) => !rotation || rotation.finishAt !== undefined,
};
const cutOff: Act = {
  does: (desk) => desk.cutOff({ cutAll: false }),
  isDone: ({ compromised = [] }) => compromised.length > 0,
};

function phaseOf(store: Store): string | undefined {
  return store.view((view) => view.get("cluster", CLUSTER))?.rotation?.phase;
}

/** Rotations, and what the root is at their end. */
const COURSES: readonly {
  readonly name: string;
  readonly acts: readonly Act[];
  readonly generations: readonly number[];
  /** Milliseconds between two acts: somewhere in the middle. */
  readonly pauseMs?: number;
  /** Begins with a root that cannot vouch for the next, of generation 2. */
  readonly isForeign?: true;
  /** How it has to end where the manager does not die. */
  readonly outcome?: RotationOutcome;
}[] = [
  { name: "a rotation", acts: [start(2)], generations: [2] },
  // One that is over before it is aborted stays.
  { name: "an abort", acts: [start(2), abort], generations: [1, 2] },
  {
    name: "a late abort",
    acts: [start(2), abort],
    generations: [1, 2],
    pauseMs: 12,
  },
  { name: "a replaced one", acts: [start(2), start(3)], generations: [3] },
  { name: "a finished one", acts: [start(2), finish], generations: [2] },
  { name: "a root that is cut off", acts: [cutOff], generations: [2] },
  {
    name: "a recall",
    acts: [abortSwitching, trustFirst],
    generations: [2, 3],
    isForeign: true,
    outcome: "aborted",
  },
];

/** A manager that may die, a device with a worker, and the operator. */
class Scene {
  readonly mortal: MortalManager;
  readonly device: Device;
  process!: Process;

  constructor(mortal: MortalManager) {
    this.mortal = mortal;
    this.device = new Device(mortal.house);
    this.device.net.servers.set(MANAGER, mortal.server);
  }

  static async open({ isForeign = false } = {}): Promise<Scene> {
    const scene = new Scene(await MortalManager.open());
    if (isForeign) await scene.#toForeignRoot();
    await scene.join();
    await scene.pass(SECOND);
    return scene;
  }

  async #toForeignRoot(): Promise<void> {
    const { mortal } = this;
    const source = await foreignRoot(mortal.house, "Corporate");
    await mortal.stop();
    reading(mortal.house, () => Promise.resolve(source));
    await mortal.start();
    await mortal.manager.rotation.start({ authority: AUTHORITY });
    await this.pass(SECOND);
    assertEquals(mortal.cluster.root.generation, 2);
  }

  /** `worker join`, with the token of now. */
  async join(): Promise<void> {
    const token = await this.mortal.manager.tokens.show("worker");
    const options = await startWorker(this.device.ports(), {
      join: { token: parseJoinToken(token), managers: [endpointOf(MANAGER)] },
      stateDir: "/state",
      signal: new AbortController().signal,
    });
    this.process = new Process(new Worker(options));
    await turn();
  }

  async pass(ms: number): Promise<void> {
    await this.mortal.house.clock.advance(ms);
  }

  /** Carries a course out, up to its end or the manager's death. */
  async go({ acts, pauseMs = 6 }: typeof COURSES[number]): Promise<void> {
    const { mortal } = this;
    for (const { does, isDone } of acts) {
      if (mortal.isDead) return;
      if (isDone(mortal.cluster)) continue;
      const done = does(mortal.manager.rotation, mortal.store);
      done.catch((error) => mortal.problems.push(`Refused: ${error}`));
      await Promise.race([done, mortal.died]);
      if (!mortal.isDead) await this.pass(pauseMs);
    }
    for (let i = 0; i < 40 && !mortal.isDead && !this.isRight; i++) {
      await this.pass(SECOND / 2);
    }
  }

  get isRight(): boolean {
    const { cluster, store } = this.mortal;
    if (cluster.rotation) return false;
    const { digest } = bundleOf(cluster);
    const nodes = store.view((view) => [...view.list("node")]);
    const known = nodes.filter(({ id, role }) =>
      role === "manager" || id === this.process.id
    );
    return known.length === 2 && this.process.worker.uplink.connected &&
      this.process.worker.held.trust.bundle === digest &&
      known.every(({ trusts, certificates: { current, pending } }) =>
        trusts === digest && pending === undefined &&
        current?.issuerKeyId === cluster.root.facts?.keyId
      );
  }

  /** Whoever could not be carried over a cut has to join again. */
  async joinAgain(): Promise<void> {
    await this.process.stop();
    await this.join();
    await this.pass(20 * SECOND);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop();
    await this.mortal.stop();
  }
}

/** @returns the writes that there were, all of them if it did not die */
async function live(
  course: typeof COURSES[number],
  death: Death,
): Promise<number> {
  await using scene = await Scene.open(course);
  const { mortal, device } = scene;
  const { id } = scene.process;
  mortal.dieAt(death, () => device.net.pipes.forEach((pipe) => pipe.cut()));
  await scene.go(course);
  const { length } = mortal.writes;
  const where = `${course.name}, ${death.when} write ${death.write}`;
  if (mortal.isDead) {
    await scene.pass(5 * SECOND);
    await mortal.start();
    await scene.go(course);
    for (let i = 0; i < 12 && !scene.isRight; i++) await scene.pass(MINUTE / 2);
    const isCut = mortal.cluster.compromised !== undefined;
    if (isCut && !scene.isRight) await scene.joinAgain();
    else assertEquals(scene.process.id, id, where);
  } else if (course.outcome !== undefined) {
    assertEquals(mortal.cluster.lastRotation?.outcome, course.outcome, where);
  }
  assert(scene.isRight, where);
  await assertKept(scene, { course, where });
  return length;
}

/** What holds however often a manager died. */
async function assertKept(
  { mortal, device }: Scene,
  { course, where }: {
    readonly course: typeof COURSES[number];
    readonly where: string;
  },
): Promise<void> {
  const { root, links = [], compromised = [] } = mortal.cluster;
  assert(course.generations.includes(root.generation), where);
  // Nothing that was given up, or cut off, leads anywhere.
  const unlinked = course.isForeign && root.generation === 3;
  if (root.generation === 1 || unlinked || compromised.length > 0) {
    assertEquals(links, [], where);
  } else assertEquals(links.map(({ to }) => to), [root.generation], where);
  await mortal.readLog();
  assertEquals(mortal.problems, [], where);
  assertEquals(device.disk.image.content.identities.length, 1, where);
}

Deno.test("startWorker() resumes an identity that a rotation has led to the token's root", async () => {
  await using scene = await Scene.open();
  const { id } = scene.process;
  await scene.go(COURSES[0] ?? { name: "", acts: [], generations: [] });
  assert(scene.isRight);
  await scene.joinAgain();
  assertEquals(scene.process.id, id);
  assert(scene.isRight);
});

for (const course of COURSES) {
  Deno.test(`Manager that is killed at any write of ${course.name} resumes it`, async () => {
    const writes = await live(course, { write: Infinity, when: "before" });
    assert(writes > 8, `only ${writes} writes`);
    for (const death of deaths(writes)) await live(course, death);
  });
}
