import { assertEquals } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import { Descriptions } from "../../lib/manager/descriptions.ts";
import { DESCRIPTION, House } from "./house.ts";

async function openDescriptions() {
  const house = await House.open();
  const { id } = await house.addSeenNode();
  const descriptions = new Descriptions(house);
  const says = (hostname: string, address = "10.0.0.9") =>
    descriptions.describe(id, {
      description: { ...DESCRIPTION, hostname },
      address,
    });
  const known = () => house.node(id).description?.hostname;
  return { house, id, descriptions, says, known };
}

Deno.test("Descriptions writes what is new at once, and the same never again", async () => {
  const { house, id, says, known } = await openDescriptions();
  const { commits } = house.disk;
  for (let i = 0; i < 5; i++) {
    await says("edge");
    await house.clock.advance(2 * MINUTE);
  }
  assertEquals(known(), "edge");
  assertEquals(house.node(id).address, "10.0.0.9");
  assertEquals(house.disk.commits, commits + 1);
});

Deno.test("Descriptions writes for a node that always is another once a minute, the newest", async () => {
  const { house, descriptions, says, known } = await openDescriptions();
  const { commits } = house.disk;
  for (let second = 0; second < 5 * 60; second++) {
    await says(`host${second}`);
    await descriptions.round();
    await house.clock.advance(SECOND);
  }
  assertEquals(house.disk.commits, commits + 5);
  await house.clock.advance(MINUTE);
  await descriptions.round();
  assertEquals(known(), "host299");
});

Deno.test("Descriptions forgets what waited when the node says again what is written", async () => {
  const { house, descriptions, says, known } = await openDescriptions();
  await says("one");
  await says("two");
  await says("one");
  const { commits } = house.disk;
  await house.clock.advance(2 * MINUTE);
  await descriptions.round();
  assertEquals([known(), house.disk.commits], ["one", commits]);
});

Deno.test("Descriptions writes nothing of a node that was removed meanwhile", async () => {
  const { house, id, descriptions, says } = await openDescriptions();
  await says("one");
  await says("two");
  await house.remove(id);
  await house.clock.advance(2 * MINUTE);
  await descriptions.round();
  assertEquals(house.nodes.map((node) => node.id), [house.manager.id]);
});
