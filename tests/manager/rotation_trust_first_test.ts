import { assertEquals } from "@std/assert";
import { HOUR, MINUTE } from "../../lib/base/time.ts";
import { Fleet } from "../worker/fleet.ts";
import { AUTHORITY, foreignRoot, reading } from "./foreign_root.ts";
import { House } from "./house.ts";
import { Running } from "./running.ts";

Deno.test("RotationDesk has workers see the manager's new certificate before they are to trust its root alone", async () => {
  const house = await House.open({ leafLifeMs: 2 * HOUR });
  const source = await foreignRoot(house, "Corporate");
  reading(house, () => Promise.resolve(source));
  await using fleet = new Fleet(house, await Running.start(house));
  const devices = ["a", "b", "c"].map((name) => fleet.device(name));
  for (const device of devices) await fleet.join(device);
  const { rotation } = fleet.running.manager;
  await rotation.start({ authority: AUTHORITY });
  await fleet.pass(2 * MINUTE);
  assertEquals([house.cluster.root.generation, house.cluster.rotation], [
    2,
    undefined,
  ]);
  await rotation.start({ trustFirst: true });
  await fleet.pass(2 * MINUTE);
  assertEquals([house.cluster.root.generation, house.cluster.rotation], [
    3,
    undefined,
  ]);
  const { bundle } = house.cluster.root.facts ?? {};
  for (const { worker } of fleet.processes) {
    assertEquals(worker.held.trust.bundle, bundle);
    assertEquals(house.node(worker.held.nodeId).trusts, bundle);
  }
  const logged = [...devices, house].flatMap(({ logged }) => logged);
  assertEquals(logged.filter(({ level }) => level === "error"), []);
});
