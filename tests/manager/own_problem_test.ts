import { assertEquals, assertMatch } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import { diskFull } from "../sim/sim_disk.ts";
import { CALM, House } from "./house.ts";
import { Running } from "./running.ts";

Deno.test("Manager that cannot follow a rotation itself is named with the reason, until it can", async () => {
  const house = await House.open();
  const disk = { ...CALM };
  await using running = await Running.start(house, { disk });
  const { manager } = running;
  disk.before = () => Promise.reject(diskFull());
  await manager.rotation.start({});
  await house.clock.advance(2 * SECOND);
  const [straggler] = (await manager.rotation.progress())?.stragglers ?? [];
  assertEquals(straggler?.node, manager.nodeId);
  assertMatch(straggler?.reason ?? "", /^renewal failing: .*disk/i);
  disk.before = CALM.before;
  await house.clock.advance(20 * MINUTE);
  assertEquals(await manager.rotation.progress(), undefined);
});
