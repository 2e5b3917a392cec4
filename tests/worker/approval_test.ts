import { assert, assertEquals, assertRejects } from "@std/assert";
import { DAY, HOUR, MINUTE, SECOND, sleep } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { giveWord, type Word } from "../../lib/cluster/waiting.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import type { WorkerEvent } from "../../lib/worker/ports.ts";
import { whilePending } from "../../lib/worker/while_pending.ts";
import { FakeClock, turn } from "../fakes/clock.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { CALM, House } from "../manager/house.ts";
import { Device, type JoinOptions, MANAGER, serverOf } from "./device.ts";

const OTHER = "10.0.0.6:2377";

/** A device that waits for approval, and what came of it. */
class Waiting {
  readonly device: Device;
  readonly house: House;
  outcome = "";

  constructor(device: Device, options: JoinOptions = {}) {
    this.device = device;
    this.house = device.house;
    device.join(options).then(
      (held) => this.outcome = held.nodeId,
      (error) => this.outcome = error.code ?? String(error),
    );
  }

  static async start(options: JoinOptions = {}): Promise<Waiting> {
    const house = await House.open();
    await approval(house, true);
    const waiting = new Waiting(new Device(house), options);
    await waiting.pass(SECOND);
    return waiting;
  }

  /** What the operator sees of it. */
  get applicant() {
    const [applicant] = this.house.store.view((v) => [...v.list("applicant")]);
    return applicant;
  }

  get pendings() {
    return this.device.events.filter(({ event }) => event === "pending");
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= SECOND) {
      await turn();
      await this.house.clock.advance(Math.min(left, SECOND));
    }
    await this.settle();
  }

  /** Whatever needs no time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await turn();
  }

  async say(word: Word): Promise<void> {
    const { applicant } = this;
    assert(applicant);
    const deed = { by: "operator", now: this.house.clock.now() };
    await this.house.store.update((tx) =>
      giveWord(tx, { ...deed, applicant, word })
    );
  }
}

function lost(): SwarmdError {
  return new SwarmdError("unreachable", "The connection was lost");
}

async function approval(house: House, on: boolean): Promise<void> {
  const cluster = { ...house.cluster, requireApproval: on };
  await house.store.update((tx) => tx.put("cluster", CLUSTER, cluster));
}

Deno.test("join() waits for approval and shows the key that it really has", async () => {
  const waiting = await Waiting.start();
  const { applicant, house, device } = waiting;
  assert(applicant);
  assertEquals(waiting.pendings, [{
    event: "pending",
    node: applicant.nodeId,
    fingerprint: applicant.spki,
  }]);
  assertEquals(
    [applicant.address, applicant.tokenId, applicant.description?.hostname],
    ["10.0.0.9", house.cluster.tokens.worker.id, "edge"],
  );
  // No certificate, no node, and no second connection; and it is told once.
  const commits = house.disk.commits;
  await waiting.pass(HOUR);
  assertEquals(house.nodes.length, 1);
  assertEquals(house.disk.commits, commits);
  assertEquals(waiting.pendings.length, 1);
  const verified = device.net.dialled.map(({ verified }) => verified);
  assertEquals(verified, [false, true]);
  await waiting.say("accepted");
  await waiting.settle();
  assertEquals(waiting.outcome, applicant.nodeId);
  assertEquals(house.clock.pending, 0);
  assertEquals(house.node(applicant.nodeId).role, "worker");
  assertEquals(waiting.applicant, undefined);
  assert(device.disk.identity);
});

Deno.test("join() ends when it is rejected, and its key is not used again", async () => {
  const waiting = await Waiting.start();
  const { device, house } = waiting;
  const first = waiting.applicant?.spki;
  await waiting.say("rejected");
  await waiting.settle();
  assertEquals(waiting.outcome, "rejected");
  assertEquals(await device.disk.open(CALM).loadStagedKey(), undefined);
  const again = new Waiting(device);
  await again.pass(2 * SECOND);
  const spkis = house.store.view((view) =>
    [...view.list("applicant")].map(({ spki }) => spki)
  );
  assertEquals(spkis.length, 2);
  assert(spkis.includes(first ?? ""));
  assertEquals(house.nodes.length, 1);
});

Deno.test("join() keeps its place through a manager's restart, a kill of its own, and a lost answer", async () => {
  const waiting = await Waiting.start();
  const { device, house } = waiting;
  const node = waiting.applicant?.nodeId;
  device.net.down = true;
  device.net.pipes.forEach((pipe) => pipe.cut());
  await waiting.pass(10 * MINUTE);
  assertEquals(waiting.outcome, "");
  device.net.down = false;
  await waiting.pass(2 * MINUTE);
  // Another process on the same disk, as after a kill.
  const again = new Waiting(device);
  await again.pass(5 * SECOND);
  assertEquals(waiting.pendings.map(({ node }) => node), [node, node]);
  await waiting.say("accepted");
  await waiting.pass(2 * MINUTE);
  assertEquals([waiting.outcome, again.outcome], [node, node]);
  assertEquals(house.nodes.length, 2);
});

Deno.test("join() asks again when its manager falls silent, and elsewhere when it is gone", async () => {
  const waiting = await Waiting.start({ managers: [MANAGER, OTHER] });
  const { device, house } = waiting;
  device.net.servers.set(OTHER, serverOf(house));
  const dialled = () => device.net.dialled.map(({ endpoint }) => endpoint);
  assertEquals(dialled(), [MANAGER, MANAGER]);
  // Half-open: nothing arrives, and nobody is told. Three periods are too many.
  device.net.pipes.at(-1)?.freeze();
  device.net.servers.delete(MANAGER);
  await waiting.pass(80 * SECOND);
  assertEquals(dialled().length, 2);
  await waiting.pass(25 * SECOND);
  assertEquals(dialled().slice(2), [MANAGER, OTHER, OTHER]);
  assertEquals(house.handlers.waitingRoom.size, 1);
  await waiting.say("accepted");
  await waiting.settle();
  assertEquals(waiting.outcome, waiting.pendings[0]?.node);
  assertEquals(waiting.pendings.length, 1);
});

/** What `whilePending` works with, and what it told. */
function patient() {
  const clock = new FakeClock();
  const events: string[] = [];
  const ports = {
    ...{ clock, random: new StreamRandom("pace"), logger: silentLogger },
    event: (event: WorkerEvent) =>
      events.push("node" in event ? event.node : ""),
  };
  return { clock, events, ports, signal: new AbortController().signal };
}

Deno.test("whilePending() gives up after a day, however long the answer takes", async () => {
  const { clock, events, ports, signal } = patient();
  const work = whilePending(ports, {
    signal,
    ask: ({ pending, signal }) => {
      pending({ node: "a", fingerprint: "ab" });
      return new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(lost()));
      });
    },
  });
  const ended = assertRejects(() => work, SwarmdError, "within 1d");
  await clock.advance(DAY - 1);
  assertEquals(clock.pending, 1);
  await clock.advance(1);
  const { code, verdict } = await ended;
  assertEquals([code, verdict], ["timed-out", "stop"]);
  assertEquals(events, ["a"]);
  assertEquals(clock.pending, 0);
});

Deno.test("whilePending() asks at a bounded pace whoever answers and cuts at once, and tells a new id", async () => {
  const { clock, events, ports, signal } = patient();
  let asked = 0;
  const work = whilePending(ports, {
    signal,
    ask: ({ pending }) => {
      const node = ++asked < 3 ? "a" : "b";
      for (let i = 0; i < 9; i++) pending({ node, fingerprint: "ab" });
      return Promise.reject(lost());
    },
  });
  const ended = assertRejects(() => work, SwarmdError, "within 1d");
  await clock.advance(DAY);
  await ended;
  assert(asked > DAY / MINUTE && asked < 2 * DAY / MINUTE, `${asked}`);
  assertEquals(events, ["a", "b"]);
});

Deno.test("whilePending() comes back within seconds where the wait was long", async () => {
  const { clock, ports, signal } = patient();
  const at: number[] = [];
  const work = whilePending(ports, {
    signal,
    ask: async ({ pending }) => {
      at.push(clock.monotonic());
      pending({ node: "a", fingerprint: "ab" });
      if (at.length > 9) return "in";
      await sleep(clock, HOUR);
      throw lost();
    },
  });
  await clock.advance(10 * HOUR);
  assertEquals(await work, "in");
  for (const [i, each] of at.slice(1).entries()) {
    const pauseMs = each - (at[i] ?? 0) - HOUR;
    assert(pauseMs >= 2.5 * SECOND && pauseMs <= 5 * SECOND, `${pauseMs}`);
  }
});

Deno.test("whilePending() passes on what another try does not change, and what came before any wait", async () => {
  const { ports, signal } = patient();
  const stop = new SwarmdError("rejected", "no", { verdict: "stop" });
  for (const [waits, error] of [[true, stop], [false, lost()]] as const) {
    const work = whilePending(ports, {
      signal,
      ask: ({ pending }) => {
        if (waits) pending({ node: "a", fingerprint: "ab" });
        return Promise.reject(error);
      },
    });
    assertEquals(await work.catch((each) => each), error);
  }
});

Deno.test("join() goes on at once where approval is switched off", async () => {
  const waiting = await Waiting.start();
  await approval(waiting.house, false);
  await waiting.settle();
  assertEquals(waiting.outcome, waiting.pendings[0]?.node);
});

Deno.test("join() stops waiting when it is told to", async () => {
  const stop = new AbortController();
  const waiting = await Waiting.start({ signal: stop.signal });
  stop.abort(new SwarmdError("interrupted", "stopped"));
  await waiting.settle();
  assertEquals(waiting.outcome, "interrupted");
  assertEquals(waiting.house.handlers.waitingRoom.size, 0);
  assertEquals(waiting.house.clock.pending, 0);
});

Deno.test("join() does not wait through a failure before it had a place", async () => {
  const house = await House.open();
  await approval(house, true);
  const device = new Device(house);
  device.net.down = true;
  const error = await assertRejects(() => device.join(), SwarmdError);
  assertEquals(error.code, "unreachable");
});
