import { assert, assertEquals } from "@std/assert";
import { SECOND } from "../../lib/base/time.ts";
import { Fleet } from "./fleet.ts";
import { restarted } from "./restart.ts";

Deno.test("a manager that starts anew shows nobody as down whom it has not waited for", async () => {
  const before = await Fleet.open();
  const devices = ["one", "two", "three"].map((label) => before.device(label));
  for (const device of devices) await before.join(device);
  await before.pass(10 * SECOND);
  const meanwhile = () => before.pass(10 * SECOND);
  await using fleet = await restarted(before, { devices, meanwhile });
  const { sessions } = fleet.running.manager.desk;
  const shown = () => fleet.processes.map(({ id }) => sessions.liveness(id));
  assertEquals(new Set(shown()), new Set(["unknown"]));
  for (let i = 0; i < 20; i++) {
    await fleet.pass(SECOND);
    assert(!shown().includes("down"), `${i + 1} s: ${shown()}`);
  }
  assertEquals(new Set(shown()), new Set(["ready"]));
});
