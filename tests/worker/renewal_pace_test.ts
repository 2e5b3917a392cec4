import {
  assert,
  assertEquals,
  assertFalse,
  assertGreaterOrEqual,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import type { LeafProfile } from "../../lib/pki/profile.ts";
import { forging, pauses, RenewalRig } from "./renewal_rig.ts";
import { wholeSeconds } from "./scripted.ts";

const ROLES = ["manager", "worker", "manager", "worker", "manager"] as const;

Deno.test("Renewal is not made to loop by answers whose window has passed", async () => {
  const hostile: readonly [string, (now: number) => Partial<LeafProfile>][] = [
    ["ended", (now) => ({ notAfter: now - 1_000 })],
    ["ending", (now) => ({ notAfter: now + 1_000 })],
    ["short", (now) => ({ notAfter: now + 3_000 })],
    ["long past its begin", (now) => ({
      notBefore: now - 365 * DAY,
      notAfter: now + 2_000,
    })],
  ];
  for (const [what, change] of hostile) {
    await using rig = await RenewalRig.start();
    const now = () => wholeSeconds(rig.house.clock.now());
    rig.answer = forging(rig, () => change(now()));
    rig.house.clock.stepWall(46 * DAY);
    rig.renewal.renewNow();
    // Where nothing good is answered, hardly more than once an hour; where it
    // is, as often as such lives need, and no more.
    const bad = what.startsWith("end");
    await rig.pass(bad ? DAY : 2 * MINUTE);
    assertGreaterOrEqual(Math.min(...pauses(rig)), 500, what);
    const most = bad ? 80 : 2 * 90;
    assert(rig.asked.length <= most, `${what}: ${rig.asked.length}`);
  }
});

Deno.test("Renewal is not made to loop by pushes, whatever is answered", async () => {
  const answers: readonly [string, (rig: RenewalRig) => void][] = [
    ["good", () => {}],
    ["bad", (rig) => {
      rig.answer = forging(rig, () => ({ nodeId: "o".repeat(25) }));
    }],
    ["none", (rig) => {
      rig.answer = () => Promise.reject(new SwarmdError("timed-out", "x"));
    }],
  ];
  for (const [what, happens] of answers) {
    await using rig = await RenewalRig.start();
    happens(rig);
    for (let i = 0; i < 600; i++) {
      rig.renewal.renewNow();
      await rig.pass(100);
    }
    // A minute: at least half a second between, and growing where it fails.
    const most = what === "good" ? 5 : 10;
    assert(rig.asked.length <= most, `${what}: ${rig.asked.length}`);
    assertGreaterOrEqual(Math.min(...pauses(rig)), 500, what);
  }
});

/** Renews until it rests, as pushes without a change have it. */
async function untilItRests(rig: RenewalRig): Promise<void> {
  for (let i = 0; i < 100; i++) {
    rig.renewal.renewNow();
    await rig.pass(100);
  }
  assertEquals(rig.renewed, 4);
}

Deno.test("Renewal follows a change of the role while it rests, and each one after it", async () => {
  await using rig = await RenewalRig.start();
  await untilItRests(rig);
  for (const [i, role] of ROLES.entries()) {
    await rig.house.change(rig.held.nodeId, { role });
    rig.renewal.renewNow({ changed: true });
    await rig.pass(1_000);
    assertEquals([rig.renewed, rig.held.role], [5 + i, role]);
  }
});

Deno.test("Renewal believes once that something else is issued where that is not so", async () => {
  await using rig = await RenewalRig.start();
  await untilItRests(rig);
  for (let i = 0; i < 300; i++) {
    rig.renewal.renewNow({ changed: true });
    await rig.pass(100);
  }
  assertEquals(rig.renewed, 5);
  assertGreaterOrEqual(Math.min(...pauses(rig)), 500);
});

Deno.test("Renewal that is refused until a time waits for it, and has not failed", async () => {
  await using rig = await RenewalRig.start();
  const data = { waitMs: 20_000 };
  const refusal = new SwarmdError("too-busy", "a moment ago", { data });
  rig.answer = () => Promise.reject(refusal);
  rig.renewal.renewNow();
  await rig.pass(19_000);
  const { waits, failures, lastFailure } = rig.renewal.view;
  assertEquals([waits, failures, lastFailure], [true, 0, undefined]);
  assertEquals(rig.asked.length, 1);
  // Who waited that long, and is refused again, has a problem.
  await rig.pass(1_000);
  assertEquals(rig.asked.length, 2);
  assertEquals(rig.renewal.view.failures, 1);
  assertFalse(rig.renewal.view.waits);
});

Deno.test("Renewal takes no wait that would hold it up for longer than a minute", async () => {
  for (const waitMs of [-1, 0, 60_001, "1", undefined]) {
    await using rig = await RenewalRig.start();
    const refusal = new SwarmdError("too-busy", "x", { data: { waitMs } });
    rig.answer = () => Promise.reject(refusal);
    rig.renewal.renewNow();
    await rig.pass(100);
    assertEquals(rig.renewal.view.failures, 1, `${waitMs}`);
  }
});

Deno.test("Renewal takes a push that comes while it waits for its pause, or its next due", async () => {
  await using rig = await RenewalRig.start();
  await rig.pass(HOUR);
  assertEquals(rig.asked.length, 0);
  rig.renewal.renewNow();
  await rig.pass(0);
  assertEquals(rig.renewed, 1);
  // One that comes while it rests counts as well.
  rig.renewal.renewNow();
  await rig.pass(2 * MINUTE);
  assertEquals(rig.renewed, 2);
});

// W23: the wall clock is looked at, however long a timer was to run.
Deno.test("Renewal notices that its time came while the machine slept", async () => {
  await using rig = await RenewalRig.start();
  rig.house.clock.stepWall(75 * DAY);
  await rig.pass(MINUTE);
  assertEquals(rig.asked.length, 1);
});

Deno.test("Renewal of a certificate that ended is tried on, seldom", async () => {
  await using rig = await RenewalRig.start({ leafLifeMs: HOUR });
  rig.answer = () => Promise.reject(new SwarmdError("unreachable", "x"));
  await rig.pass(61 * MINUTE);
  const { length } = rig.asked;
  await rig.pass(HOUR);
  const later = rig.asked.length - length;
  assert(later >= 10 && later <= 60, `${later}`);
  assertFalse(rig.renewal.view.lastFailure === undefined);
});

Deno.test("Renewal ends at once, at each step", async () => {
  const steps: readonly [string, (rig: RenewalRig) => void][] = [
    ["idle", () => {}],
    ["requested", (rig) => rig.answer = () => new Promise(() => {})],
    ["in-use", (rig) => rig.confirms = false],
  ];
  for (const [step, happens] of steps) {
    const rig = await RenewalRig.open();
    happens(rig);
    await rig.run();
    if (step !== "idle") rig.renewal.renewNow();
    await rig.pass(MINUTE);
    assertEquals(rig.renewal.view.step, step);
    if (step === "requested") continue; // its ask is ended by the signal
    const error = await rig.stop();
    assert(error instanceof Error && error.message === "stopped", step);
    assertEquals(rig.house.clock.pending, 0);
  }
});
