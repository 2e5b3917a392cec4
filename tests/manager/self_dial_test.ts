import { assertEquals, assertStringIncludes } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SECOND } from "../../lib/base/time.ts";
import type { ManagerPorts } from "../../lib/manager/ports.ts";
import type { Endpoint } from "../../lib/rpc/connection.ts";
import { selfDialer } from "../fakes/self_dialer.ts";
import { newSession } from "./caller.ts";
import { House } from "./house.ts";
import { Running } from "./running.ts";

/** A manager whose dials to itself end as a test wants it. */
async function open() {
  const house = await House.open();
  const dialled: Endpoint[] = [];
  const state: { error?: SwarmdError; shows?: () => number } = {};
  const shown = () => running.credentials.at(state.shows?.() ?? -1);
  const dialer: ManagerPorts["dialer"] = {
    dial: (endpoint, credentials, signal) => {
      dialled.push(endpoint);
      if (state.error) return Promise.reject(state.error);
      return selfDialer(shown).dial(endpoint, credentials, signal);
    },
  };
  const running: Running = await Running.start(house, { dialer });
  await house.clock.advance(2 * SECOND);
  return { house, running, state, dialled };
}

function current(house: House): string | undefined {
  return house.manager.certificates.current?.fingerprint;
}

Deno.test("Manager dials itself where it listens, on an address of this machine", async () => {
  const { running, dialled } = await open();
  await using _ = running;
  assertEquals(dialled, [{ host: "127.0.0.1", port: 2377 }]);
});

Deno.test("SelfRenewal goes back when nobody could verify the next certificate", async () => {
  const { house, running, state } = await open();
  await using _ = running;
  const before = current(house);
  const files = house.ownDisk.identity;
  const [served] = running.credentials;
  for (
    const [trouble, says] of [
      [{ error: new SwarmdError("tls", "UnknownIssuer") }, "UnknownIssuer"],
      [{ shows: () => 0 }, "shows another one"],
    ] as const
  ) {
    Object.assign(state, trouble);
    const error = await running.manager.renewSelf().catch((error) => error);
    assertStringIncludes(String(error), says);
    assertEquals(running.credentials.at(-1), served, says);
    assertEquals(house.ownDisk.identity, files, says);
    assertEquals(current(house), before, says);
    delete state.error;
    await house.clock.advance(2 * SECOND);
  }
  delete state.shows;
  await running.manager.renewSelf();
  assertEquals(current(house) === before, false);
});

Deno.test("SelfRenewal goes on where nothing speaks against the certificate itself", async () => {
  const { house, running, state } = await open();
  await using _ = running;
  for (const code of ["clock-skew", "unreachable", "timed-out"] as const) {
    const before = current(house);
    state.error = new SwarmdError(code, "it is not the certificate's fault");
    await running.manager.renewSelf();
    assertEquals(current(house) === before, false, code);
    await house.clock.advance(2 * SECOND);
  }
});

Deno.test("RotationDesk asks no node before the manager was seen under the new root", async () => {
  const { house, running, state } = await open();
  await using _ = running;
  const node = await house.addSeenNode();
  const caller = running.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  const asked = () => caller.pushes("node.renew-now").length;
  state.error = new SwarmdError("tls", "UnknownIssuer");
  await running.manager.rotation.start({});
  await house.clock.advance(5 * SECOND);
  const { phase, stragglers = [] } =
    await running.manager.rotation.progress() ?? {};
  const own = stragglers.find((each) => each.node === house.manager.id);
  assertEquals([phase, asked()], ["renewing", 0]);
  assertStringIncludes(own?.reason ?? "", "UnknownIssuer");
  delete state.error;
  await house.clock.advance(5 * SECOND);
  assertEquals(asked(), 1);
});
