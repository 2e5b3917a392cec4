import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  type Clock,
  DAY,
  formatTime,
  HOUR,
  MINUTE,
} from "../../lib/base/time.ts";
import { operate } from "../manager/operate.ts";
import { type Device, MANAGER } from "./device.ts";
import { Fleet } from "./fleet.ts";
import { Net } from "./net.ts";

/** A device whose wall clock is off, and the way to set it. */
interface Skewed {
  readonly device: Device;
  readonly set: (byMs: number) => void;
}

function skewed(fleet: Fleet, byMs: number): Skewed {
  const { clock, crypto } = fleet.house;
  let off = byMs;
  const wrong: Clock = {
    now: () => clock.now() + off,
    monotonic: () => clock.monotonic(),
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
  };
  const device = fleet.device("one");
  const net = new Net({ clock: wrong, crypto });
  const manager = device.net.servers.get(MANAGER);
  assert(manager);
  net.servers.set(MANAGER, manager);
  return {
    device: Object.assign(device, { clock: wrong, net }),
    set: (byMs) => off = byMs,
  };
}

/** Texts that name both clocks, a minute or so apart from now. */
function namesBoth(
  text: string,
  { now, byMs }: { readonly now: number; readonly byMs: number },
): boolean {
  const named = (at: number) => text.includes(formatTime(at).slice(0, 13));
  return named(now) && named(now + byMs);
}

/** How far a device's clock is from its manager's, and whether that is borne. */
const SKEWS: readonly [byMs: number, borne: boolean][] = [
  [-10 * MINUTE, true],
  [10 * MINUTE, true],
  // A certificate is good from an hour before it was made.
  [-2 * HOUR, false],
  [2 * HOUR, true],
  [-100 * DAY, false],
  [100 * DAY, false],
];

Deno.test("W9: a join is borne within an hour behind, and else refused naming both clocks", async () => {
  for (const [byMs, borne] of SKEWS) {
    await using fleet = await Fleet.open();
    const { device, set } = skewed(fleet, byMs);
    const joining = fleet.join(device);
    if (borne) {
      const { worker } = await joining;
      await fleet.pass(MINUTE);
      assert(worker.uplink.connected, `${byMs}`);
      continue;
    }
    const now = fleet.house.clock.now();
    const error = await assertRejects(() => joining, SwarmdError);
    assertEquals(error.code, "clock-skew", `${byMs}`);
    assert(namesBoth(error.message, { now, byMs }), error.message);
    assertMatch(error.hint ?? "", /clock/);
    assertEquals(fleet.house.nodes.length, 1);
    set(0);
    assert((await fleet.join(device)).worker.uplink.connected);
  }
});

for (const what of ["a renewal", "a rotation of the root"] as const) {
  Deno.test(`W9: ${what} is borne with a wrong clock, or made up for when it is set`, async () => {
    for (const [byMs, borne] of SKEWS) {
      await using fleet = await Fleet.open();
      const { house, running } = fleet;
      const { device, set } = skewed(fleet, 0);
      const { worker, id } = await fleet.join(device);
      await fleet.pass(2 * MINUTE);
      const first = worker.held.certificate.fingerprint;
      set(byMs);
      device.net.pipes.forEach((pipe) => pipe.cut());
      await fleet.pass(MINUTE);
      assertEquals(worker.uplink.connected, borne, `${byMs}`);
      const ask = () =>
        what === "a renewal"
          ? operate(running, "nodes/renew", { ids: [], all: true })
          : operate(running, "ca/rotate");
      // One that is not connected cannot be asked to renew
      const mayAsk = borne || what === "a rotation of the root";
      if (mayAsk) await ask();
      await fleet.pass(2 * MINUTE);
      const { fingerprint } = worker.held.certificate;
      assertEquals(fingerprint !== first, borne, `${byMs}`);
      if (!borne) {
        const now = house.clock.now();
        const said = device.logged.map(({ fields }) => `${fields["error"]}`);
        assert(said.some((text) => namesBoth(text, { now, byMs })), `${said}`);
      }
      set(0);
      await fleet.pass(5 * MINUTE);
      if (!mayAsk) await ask();
      await fleet.pass(MINUTE);
      assert(worker.uplink.connected, `${byMs}`);
      assert(worker.held.certificate.fingerprint !== first, `${byMs}`);
      assertEquals(house.node(id).admission, "active");
      assertEquals(house.cluster.rotation, undefined);
      const { current } = house.node(id).certificates;
      assertEquals(current?.issuerKeyId, house.cluster.root.facts?.keyId);
    }
  });
}
