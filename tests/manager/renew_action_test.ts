import { assertEquals } from "@std/assert";
import { turn } from "../fakes/clock.ts";
import { newSession } from "./caller.ts";
import type { TestNode } from "./house.ts";
import { Operated } from "./operated.ts";

Deno.test("renew asks only who hears it and may renew, and says of the others why not", async () => {
  await using operated = await Operated.start();
  const { house, running } = operated;
  const connected = async (node: TestNode) => {
    const caller = running.connect(node.chain);
    await caller.hello(newSession(house.newId()));
    return caller;
  };
  const nodes = [
    await house.addSeenNode(),
    await house.addSeenNode(),
    await house.addSeenNode(),
  ] as const;
  const [here, frozen, gone] = nodes;
  const callers = [];
  for (const node of nodes) callers.push(await connected(node));
  await house.change(frozen.id, { admission: "suspended" });
  callers[2]?.pipe.cut();
  await turn();
  const ids = nodes.map(({ id }) => id);
  for (const wish of [{ ids, all: false }, { ids: [], all: true }]) {
    assertEquals(await operated.post("nodes/renew", wish), {
      asked: [here.id],
      absent: [gone.id],
      refused: [{ id: frozen.id, why: "it is suspended" }],
    });
  }
  const none = { ids: [frozen.id, gone.id], all: false };
  const said = await operated.post("nodes/renew", none);
  assertEquals([said["code"], said["message"]], [
    "precondition",
    `Cannot renew: nobody could be asked; node ${frozen.id}: it is suspended; node ${gone.id}: it is not connected`,
  ]);
  callers[0]?.pipe.cut();
  await turn();
  const nobody = await operated.post("nodes/renew", { ids: [], all: true });
  assertEquals(nobody["code"], "precondition");
});
