import { assert, assertEquals, assertRejects } from "@std/assert";
import { DAY, MINUTE, SECOND } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { giveWord, type Word } from "../../lib/cluster/waiting.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { whilePending } from "../../lib/worker/while_pending.ts";
import { FakeClock, turn } from "../fakes/clock.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { CALM, House } from "../manager/house.ts";
import { Device, type JoinOptions } from "./device.ts";

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
    for (let i = 0; i < 5; i++) await turn();
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
  // No certificate, no node, however often it asks; and it is told once.
  const commits = house.disk.commits;
  await waiting.pass(30 * SECOND);
  assertEquals(house.nodes.length, 1);
  assertEquals(house.disk.commits, commits);
  assertEquals(waiting.pendings.length, 1);
  const asked = device.net.dialled.filter(({ verified }) => verified).length;
  assert(asked >= 7 && asked <= 20, `${asked}`);
  await waiting.say("accepted");
  await waiting.pass(5 * SECOND);
  assertEquals(waiting.outcome, applicant.nodeId);
  assertEquals(house.node(applicant.nodeId).role, "worker");
  assertEquals(waiting.applicant, undefined);
  assert(device.disk.identity);
});

Deno.test("join() ends when it is rejected, and its key is not used again", async () => {
  const waiting = await Waiting.start();
  const { device, house } = waiting;
  const first = waiting.applicant?.spki;
  await waiting.say("rejected");
  await waiting.pass(5 * SECOND);
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
  await waiting.pass(10 * MINUTE);
  assertEquals(waiting.outcome, "");
  device.net.down = false;
  await waiting.pass(2 * MINUTE);
  // Another process on the same disk, as after a kill.
  const again = new Waiting(device);
  await again.pass(5 * SECOND);
  assertEquals(waiting.pendings.map(({ node }) => node), [node, node]);
  await waiting.say("accepted");
  await waiting.pass(10 * SECOND);
  assertEquals([waiting.outcome, again.outcome], [node, node]);
  assertEquals(house.nodes.length, 2);
});

Deno.test("whilePending() gives up after a day, asks at a bounded pace, and tells a new id", async () => {
  for (const [retryMs, least, most] of [[0.1, 1, 2], [1e9, 30, 90]] as const) {
    const clock = new FakeClock();
    const events: string[] = [];
    let asked = 0;
    const work = whilePending({
      ...{ clock, random: new StreamRandom("pace"), logger: silentLogger },
      event: (event) => events.push("node" in event ? event.node : ""),
    }, {
      first: { pending: true, node: "a", retryMs },
      fingerprint: "ab",
      signal: new AbortController().signal,
      ask: () => {
        const node = ++asked < 3 ? "a" : "b";
        return Promise.resolve({ pending: true, node, retryMs });
      },
    });
    const ended = assertRejects(() => work, SwarmdError, "within 1d");
    await clock.advance(DAY + 2 * MINUTE);
    assertEquals((await ended).code, "timed-out");
    const pace = DAY / SECOND / asked;
    assert(pace >= least * 0.75 && pace <= most, `${pace}`);
    assertEquals(events, ["a", "b"]);
  }
});

Deno.test("join() goes on at once where approval is switched off", async () => {
  const waiting = await Waiting.start();
  await approval(waiting.house, false);
  await waiting.pass(5 * SECOND);
  assertEquals(waiting.outcome, waiting.pendings[0]?.node);
});

Deno.test("join() stops waiting when it is told to", async () => {
  const stop = new AbortController();
  const waiting = await Waiting.start({ signal: stop.signal });
  stop.abort(new SwarmdError("interrupted", "stopped"));
  await turn();
  assertEquals(waiting.outcome, "interrupted");
});

Deno.test("join() does not wait through a failure before it had a place", async () => {
  const house = await House.open();
  await approval(house, true);
  const device = new Device(house);
  device.net.down = true;
  const error = await assertRejects(() => device.join(), SwarmdError);
  assertEquals(error.code, "unreachable");
});
