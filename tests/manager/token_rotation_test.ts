import { assertEquals, assertNotEquals } from "@std/assert";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { Running } from "./running.ts";

Deno.test("a standing token that is rotated leaves the other role's token and every node as they are", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addSeenNode();
  for (const role of ["worker", "manager"] as const) {
    const other = role === "worker" ? "manager" : "worker";
    const record = house.node(node.id);
    const [mine, theirs] = [
      await house.tokens.show(role),
      await house.tokens.show(other),
    ];
    await operate(running, "tokens/rotate", { role });
    assertNotEquals(await house.tokens.show(role), mine);
    assertEquals(await house.tokens.show(other), theirs);
    assertEquals(house.node(node.id), record);
  }
});
