import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { hasCode, SwarmdError } from "../../lib/base/errors.ts";
import { toBase64, utf8 } from "../../lib/base/bytes.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { type Caller, codeOf, newSession, resultOf } from "./caller.ts";
import { House, NOW, type TestNode } from "./house.ts";
import { Running } from "./running.ts";

/** A node with a session, whose own clock is as far ahead as is said. */
class Witness {
  readonly house: House;
  readonly node: TestNode;
  readonly caller: Caller;
  aheadMs = 0;

  constructor(house: House, node: TestNode, caller: Caller) {
    this.house = house;
    this.node = node;
    this.caller = caller;
  }

  static async come(running: Running, node: TestNode): Promise<Witness> {
    const { house } = running;
    const caller = running.connect(node.chain);
    resultOf(await caller.hello(newSession(house.newId())));
    return new Witness(house, node, caller);
  }

  async beat(): Promise<void> {
    const now = NOW + this.house.clock.monotonic() + this.aheadMs;
    this.caller.send({ method: "heartbeat", params: { now } });
    await this.house.clock.advance(SECOND);
  }

  /** Asks for its next certificate; gives why not, or nothing. */
  async renew(): Promise<string> {
    const key = await this.house.crypto.generateKey();
    const csr = toBase64(await createCsr(this.house.crypto, key));
    const answer = await this.caller.askInSession("node.renew", { csr });
    return answer && "error" in answer ? answer.error.message : "";
  }
}

async function opened() {
  const house = await House.open();
  const nodes = [await house.addSeenNode(), await house.addSeenNode()];
  const running = await Running.start(house);
  const witnesses: Witness[] = [];
  for (const node of nodes) witnesses.push(await Witness.come(running, node));
  await house.clock.advance(SECOND);
  const [one, two] = witnesses;
  assert(one && two);
  const beats = async () => {
    await one.beat();
    await two.beat();
  };
  await beats();
  return { house, running, one, two, beats };
}

async function alarms(running: Running): Promise<string[]> {
  const { body } = await running.get("/v1/status");
  return (body as { alarms: string[] }).alarms;
}

async function accept(running: Running) {
  const answer = await running.api.operate({
    method: "POST",
    path: "/v1/clock/accept",
    body: utf8("{}"),
  });
  return { status: answer.status, ...JSON.parse(answer.body) };
}

Deno.test("a manager whose clock jumps goes on by the time it expects: nothing is issued, and nobody is cut", async () => {
  for (const step of [100 * DAY, 2 * HOUR, -2 * HOUR, -100 * DAY]) {
    const { house, running, one, beats } = await opened();
    await using _ = running;
    house.clock.stepWall(step);
    const before = running.credentials.length;
    for (let i = 0; i < 60; i++) await beats();
    assertFalse(one.caller.closed, `${step}`);
    assertStringIncludes(await one.renew(), "is in doubt");
    await assertRejects(() => running.manager.renewSelf(), SwarmdError);
    assertEquals(running.credentials.length, before);
    const [alarm = ""] = await alarms(running);
    assert(alarm.includes("swarmd clock accept"), alarm);
    assert(alarm.includes("most connected nodes do not agree"), alarm);
    // It is set right.
    house.clock.stepWall(-step);
    await house.clock.advance(2 * SECOND);
    assertEquals(await alarms(running), []);
    assertEquals(await one.renew(), "");
  }
});

Deno.test("a manager whose clock was set right believes the nodes that agree with it", async () => {
  const { house, running, one, two, beats } = await opened();
  await using _ = running;
  house.clock.stepWall(40 * DAY);
  one.aheadMs = two.aheadMs = 40 * DAY;
  await beats();
  assertEquals(await alarms(running), []);
  assertEquals(await one.renew(), "");
  assertEquals((await accept(running)).status, 412);
});

Deno.test("an operator accepts the clock: it counts at once, is audited, and is remembered", async () => {
  const { house, running, one, beats } = await opened();
  {
    await using _ = running;
    house.clock.stepWall(40 * DAY);
    await beats();
    assertStringIncludes(await one.renew(), "is in doubt");
    const { status, now, expected } = await accept(running);
    assertEquals(status, 200);
    const apart = Date.parse(expected) - Date.parse(now);
    assertEquals(Math.round(apart / DAY), -40);
    assertEquals(await alarms(running), []);
    assertEquals(await one.renew(), "");
    assert((await house.audited()).includes("clock-accepted"));
  }
  await using again = await Running.start(house);
  await house.clock.advance(SECOND);
  assert(again.isRunning);
  assertEquals(await alarms(again), []);
});

Deno.test("a manager that was off for long comes back by itself: nodes agree, or nobody comes for long", async () => {
  for (const [off, agrees] of [[90 * DAY, true], [20 * DAY, false]] as const) {
    const house = await House.open();
    const node = await house.addSeenNode();
    await (await Running.start(house))[Symbol.asyncDispose]();
    await house.clock.advance(off);
    await using running = await Running.start(house);
    assertEquals((await alarms(running)).length, 1);
    // Its own certificate is good by the clock that nodes are likely to have.
    const { certificates: { current } } = house.manager;
    assert((current?.notAfter ?? 0) > house.clock.now());
    assertEquals(isRefused(running), true);
    if (agrees) {
      const witness = await Witness.come(running, node);
      await witness.beat();
      await house.clock.advance(SECOND);
      // In the very moment at which time moves, its certificate has ended.
      assert(witness.caller.closed);
      assertEquals(house.node(node.id).certificates.pending, undefined);
    } else await house.clock.advance(MINUTE + SECOND);
    assertEquals(await alarms(running), []);
    assertEquals(isRefused(running), false);
  }
});

Deno.test("a node that may only recover is a witness, if what it shows was not replaced", async () => {
  const house = await House.open({ leafLifeMs: 30 * DAY });
  const copied = await house.addSeenNode();
  const node = await house.renew(copied);
  await house.seen(node.id);
  await (await Running.start(house))[Symbol.asyncDispose]();
  await house.clock.advance(100 * DAY);
  // So long ago that it had ended when the manager was there last.
  await house.store.update((tx) => {
    const manager = house.manager;
    const trustedTime = house.clock.now() - 40 * DAY - MINUTE;
    tx.put("node", manager.id, { ...manager, trustedTime });
  });
  await using running = await Running.start(house);
  for (const [each, isCopy] of [[copied, true], [node, false]] as const) {
    const { answer } = await recover(running, each);
    assertEquals(codeOf(answer), "too-busy");
    await house.clock.advance(2 * SECOND);
    assertEquals(isRefused(running), isCopy);
  }
  const { caller } = await recover(running, node);
  assertEquals(caller.pushes("pending").length, 1);
});

Deno.test("a manager that nobody contradicts takes any clock after a day, and at once where there are no nodes", async () => {
  const { house, running, one, two } = await opened();
  await using _ = running;
  for (const { caller } of [one, two]) caller.pipe.far.destroy();
  await house.clock.advance(MINUTE);
  house.clock.stepWall(-100 * DAY);
  await house.clock.advance(DAY - MINUTE);
  assertEquals((await alarms(running)).length, 1);
  await house.clock.advance(2 * MINUTE);
  assertEquals(await alarms(running), []);
  const alone = await House.open();
  await using other = await Running.start(alone);
  alone.clock.stepWall(100 * DAY);
  await alone.clock.advance(2 * SECOND);
  assertEquals(await alarms(other), []);
});

Deno.test("the trusted time is noted at most twice an hour, and at the end", async () => {
  const house = await House.open();
  await house.addSeenNode();
  const running = await Running.start(house);
  await house.clock.advance(2 * SECOND);
  const noted = new Set<number>();
  for (let i = 0; i < 5 * 60; i++) {
    await house.clock.advance(MINUTE);
    noted.add(house.manager.trustedTime ?? 0);
  }
  assert(noted.size >= 9 && noted.size <= 11, `${noted.size}`);
  await running[Symbol.asyncDispose]();
  assertEquals(house.manager.trustedTime, house.clock.now());
});

/** Says what time it is, and asks to recover. */
async function recover(running: Running, { chain }: TestNode) {
  const { house } = running;
  const caller = running.connect(chain);
  await caller.hello();
  const key = await house.crypto.generateKey();
  const csr = toBase64(await createCsr(house.crypto, key));
  const answer = await caller.ask("recover", { csr, now: house.clock.now() });
  return { caller, answer };
}

/** Whether nothing is signed for others. */
function isRefused({ manager }: Running): boolean {
  try {
    manager.clockGuard.refuse({ own: false });
    return false;
  } catch (error) {
    assert(hasCode(error, "too-busy"));
    return true;
  }
}
