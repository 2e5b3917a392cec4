import { assertEquals } from "@std/assert";
import type { NodeSummary } from "../../lib/cluster/local_nodes.ts";
import { turn } from "../fakes/clock.ts";
import { House } from "./house.ts";
import { present } from "./present.ts";
import { Running } from "./running.ts";

const MANY = 2_500;

/** A manager of so many that they are not looked at in one turn. */
async function crowded(): Promise<Running> {
  const house = await House.open();
  const known = house.node((await house.addSeenNode()).id);
  await house.store.update((tx) => {
    for (let i = 0; i < MANY; i++) {
      const id = `n${i}`;
      const suspended = i % 5 === 0 && { admission: "suspended" } as const;
      tx.put("node", id, { ...known, id, certificates: {}, ...suspended });
    }
  });
  return await Running.start(house);
}

/** Asks, and lets time pass only when others have had a turn. */
async function ask<T>(running: Running, path: string) {
  let isAnswered = false;
  const asked = running.get(path).finally(() => isAnswered = true);
  for (let i = 0; i < 10; i++) await turn();
  const others = isAnswered ? "none" : "had a turn";
  await running.house.clock.advance(100);
  return { others, body: (await asked).body as T };
}

Deno.test("ManagerApi lists all nodes in order, and gives others a turn meanwhile", async () => {
  await using running = await crowded();
  const { others, body } = await ask<NodeSummary[]>(running, "/v1/nodes");
  assertEquals(others, "had a turn");
  const { nodes } = running.house;
  assertEquals(body.map(({ id }) => id), nodes.map(({ id }) => id).toSorted());
  assertEquals(body.length, MANY + 2);
  const suspended = body.filter(({ status }) => status === "suspended");
  assertEquals(suspended.length, MANY / 5);
});

Deno.test("ManagerApi counts all nodes for its status, and gives others a turn meanwhile", async () => {
  await using running = await crowded();
  const status = await ask<{ nodes: unknown }>(running, "/v1/status");
  assertEquals(status.others, "had a turn");
  assertEquals(status.body.nodes, {
    suspended: MANY / 5,
    unknown: MANY - MANY / 5 + 1,
    ready: 1,
  });
});

Deno.test("ManagerApi lists the nodes of a small cluster at once", async () => {
  const house = await House.open();
  await present(house);
  await using running = await Running.start(house);
  assertEquals((await ask<[]>(running, "/v1/nodes")).others, "none");
});
