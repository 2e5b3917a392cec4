import { assert, assertEquals } from "@std/assert";
import { SECOND } from "../../lib/base/time.ts";
import type { FakeClock } from "../fakes/clock.ts";
import { mustCluster } from "../../lib/manager/records.ts";
import { type Caller, newSession } from "./caller.ts";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { Running } from "./running.ts";

/** Lets time pass in which nobody does anything but beat. */
async function beat(
  callers: readonly Caller[],
  { clock, seconds }: { readonly clock: FakeClock; readonly seconds: number },
) {
  for (let i = 0; i < seconds; i += 5) {
    for (const caller of callers) {
      caller.send({ method: "heartbeat", params: { now: clock.now() } });
    }
    await clock.advance(5 * SECOND);
  }
}

function asked(callers: readonly Caller[]): number {
  return callers.filter((each) => each.pushes("node.renew-now").length > 0)
    .length;
}

Deno.test("RotationDesk asks 64 nodes at a time, and the next when one came or took too long", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  await operate(running, "ca/rotate");
  await house.clock.advance(SECOND);
  const { clock } = house;
  const callers: Caller[] = [];
  for (let i = 0; i < 100; i++) {
    const node = await house.addSeenNode();
    // As if it had joined before the rotation began
    const { current } = house.node(node.id).certificates;
    assert(current);
    await house.change(node.id, {
      certificates: { current: { ...current, issuerKeyId: "old" } },
    });
    const caller = running.connect(node.chain);
    await caller.hello(newSession(house.newId()));
    callers.push(caller);
  }
  await beat(callers, { clock, seconds: 20 });
  assertEquals(asked(callers), 64);
  // Nobody of them came within 30 s: they do not hold the others up.
  await beat(callers, { clock, seconds: 20 });
  assertEquals(asked(callers), 100);
  assert(callers.every(({ closed }) => !closed));
});

Deno.test("RotationDesk asks a node that has its certificate once, though it comes with the old one again", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  await operate(running, "ca/rotate");
  await house.clock.advance(SECOND);
  const { clock } = house;
  const node = await house.addSeenNode();
  const { current } = house.node(node.id).certificates;
  assert(current);
  await house.change(node.id, {
    certificates: { current: { ...current, issuerKeyId: "old" } },
  });
  const session = newSession(house.newId());
  const first = running.connect(node.chain);
  await first.hello(session);
  await beat([first], { clock, seconds: 5 });
  assertEquals(asked([first]), 1);
  // Issued, and not presented yet: it moves for another reason meanwhile.
  const { facts } = house.store.view(mustCluster).root;
  const issuerKeyId = facts?.keyId ?? "";
  await house.change(node.id, {
    certificates: {
      current: { ...current, issuerKeyId: "old" },
      pending: { ...current, issuerKeyId },
    },
  });
  const second = running.connect(node.chain);
  await second.hello({ ...session, resume: true });
  await clock.advance(SECOND);
  // What it has not acknowledged comes again.
  const again = second.pushes("node.renew-now").length;
  assertEquals(again, 1);
  await beat([second], { clock, seconds: 15 });
  assertEquals(second.pushes("node.renew-now").length, again);
  // The answer may be lost after all.
  await beat([second], { clock, seconds: 30 });
  assertEquals(second.pushes("node.renew-now").length, again + 1);
});
