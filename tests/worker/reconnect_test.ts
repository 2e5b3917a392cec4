import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import fc from "fast-check";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { DAY, MINUTE, SECOND } from "../../lib/base/time.ts";
import { isRefusal, reconnectPause } from "../../lib/worker/reconnect.ts";
import { SeededRandom } from "../fakes/random.ts";
import { UplinkRig } from "./uplink_rig.ts";

const AWAY = new SwarmdError("unreachable", "nobody");
const REFUSED = new SwarmdError("suspended", "no");

function longest() {
  const uniform = () => 1 - Number.EPSILON;
  return { bytes: (length: number) => new Uint8Array(length), uniform };
}

Deno.test("reconnectPause() grows with the outage, to 3 s at most", () => {
  // What the pause is bounded by, in milliseconds, after many failures.
  const cases = [
    [0, 200],
    [SECOND, 200],
    [2_700, 300],
    [9 * SECOND, SECOND],
    [18 * SECOND, 2 * SECOND],
    [27 * SECOND, 3 * SECOND],
    [10 * MINUTE, 3 * SECOND],
    [30 * DAY, 3 * SECOND],
  ] as const;
  for (const [outageMs, bound] of cases) {
    const outage = { failures: 50, error: AWAY, outageMs };
    const pause = reconnectPause(outage, longest());
    assert(Math.abs(pause - bound) < 1, `${outageMs} ms: ${pause}`);
  }
});

Deno.test("reconnectPause() begins short, also after a refusal", () => {
  for (const error of [AWAY, REFUSED]) {
    const outage = { failures: 1, error, outageMs: 10 * MINUTE };
    assertLessOrEqual(reconnectPause(outage, longest()), 100);
  }
});

Deno.test("reconnectPause() grows to a minute where a manager said no", () => {
  const pauses = Array.from({ length: 15 }, (_, i) => {
    const outage = { failures: i + 1, error: REFUSED, outageMs: 0 };
    return Math.round(reconnectPause(outage, longest()));
  });
  assertEquals(pauses.slice(0, 4), [100, 200, 400, 800]);
  assertEquals(pauses.slice(-4), Array(4).fill(60_000));
});

Deno.test("reconnectPause() stays short where it is the clocks: clocks are set", () => {
  const error = new SwarmdError("clock-skew", "no");
  const outage = { failures: 50, error, outageMs: DAY };
  assertEquals(Math.round(reconnectPause(outage, longest())), 10 * SECOND);
});

Deno.test("reconnectPause() never makes a tight loop", () => {
  const random = new SeededRandom(1);
  const failures = fc.integer({ min: 1, max: 10_000 });
  const outageMs = fc.integer({ min: 0, max: 1_000 * DAY });
  const error = fc.constantFrom(AWAY, REFUSED, new Error("odd"));
  fc.assert(fc.property(failures, outageMs, error, (failures, ms, error) => {
    const outage = { failures, error, outageMs: ms };
    const pause = reconnectPause(outage, random);
    assertGreaterOrEqual(pause, 50);
    assertLessOrEqual(pause, MINUTE);
  }));
});

Deno.test("isRefusal() tells a no from silence", () => {
  const silent: ErrorCode[] = ["unreachable", "timed-out", "session-ended"];
  const refused: ErrorCode[] = ["replaced", "unknown-node", "tls", "conflict"];
  for (const code of silent) assert(!isRefusal(new SwarmdError(code, "x")));
  for (const code of refused) assert(isRefusal(new SwarmdError(code, "x")));
  assert(!isRefusal(new Error("x")));
});

/** Pauses between dials in an outage, in milliseconds. */
async function pauses(rig: UplinkRig, outageMs: number): Promise<number[]> {
  const before = rig.dials.length;
  rig.device.net.down = true;
  rig.device.net.pipes.at(-1)?.cut();
  await rig.pass(outageMs);
  const at = rig.dials.slice(before);
  return at.slice(1).map((time, i) => time - (at[i] ?? 0));
}

Deno.test("Uplink is back within 4 s of the end of an outage of 10 min", async () => {
  await using rig = await UplinkRig.start();
  const between = await pauses(rig, 10 * MINUTE);
  assertLessOrEqual(Math.max(...between), 4 * SECOND);
  // Neither a storm: at most one in 2 s when it is long.
  assertLessOrEqual(between.length, 10 * MINUTE / (2 * SECOND) + 40);
  rig.device.net.down = false;
  await rig.pass(4 * SECOND);
  assertEquals(rig.uplink.status.connected, true);
});

Deno.test("Uplink is back within 2 s of the end of an outage of 10 s", async () => {
  await using rig = await UplinkRig.start();
  const between = await pauses(rig, 10 * SECOND);
  assertLessOrEqual(Math.max(...between), 2 * SECOND);
  rig.device.net.down = false;
  await rig.pass(2 * SECOND);
  assertEquals(rig.uplink.status.connected, true);
});

Deno.test("Uplink asks who refuses it less and less often, once a minute at last", async () => {
  await using rig = await UplinkRig.open();
  rig.manager.answers["hello"] = () => {
    throw REFUSED;
  };
  await rig.run();
  await rig.pass(30 * MINUTE);
  // 10 to get there; then one in 30 to 60 s.
  assert(rig.dials.length >= 30 && rig.dials.length <= 75);
  const last = rig.dials.slice(-5);
  const shortest = Math.min(...last.slice(1).map((t, i) => t - (last[i] ?? 0)));
  assertGreaterOrEqual(shortest, 30 * SECOND);
});

Deno.test("Uplink tries its managers in turn", async () => {
  await using rig = await UplinkRig.open();
  const others = ["10.0.0.7:1", "10.0.0.8:1"];
  rig.managers = [...others, ...rig.managers];
  await rig.run();
  await rig.pass(SECOND);
  const tried = rig.device.net.dialled.slice(-3).map((d) => d.endpoint);
  assertEquals(tried, rig.managers);
  assertEquals(rig.uplink.status.connected, true);
});

Deno.test("Uplink says that it knows no manager, and waits for one", async () => {
  await using rig = await UplinkRig.open();
  const known = rig.managers;
  rig.managers = [];
  await rig.run();
  await rig.pass(MINUTE);
  assert(rig.uplink.status.lastError?.includes("No manager's address"));
  rig.managers = known;
  await rig.pass(5 * SECOND);
  assertEquals(rig.uplink.status.connected, true);
});

Deno.test("Uplink.hurry() ends a pause", async () => {
  await using rig = await UplinkRig.open();
  rig.manager.answers["hello"] = () => {
    throw REFUSED;
  };
  await rig.run();
  await rig.pass(10 * MINUTE);
  const before = rig.dials.length;
  rig.uplink.hurry();
  await rig.pass(0);
  assertEquals(rig.dials.length, before + 1);
});
