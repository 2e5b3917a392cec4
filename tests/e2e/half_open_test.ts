import { assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";

Deno.test("a node whose half of a connection is silent is down after three beats, and back when it speaks", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("frozen");
  const id = String(worker.events[0]?.["node"]);
  await cluster.node(id, ({ status }) => status === "ready");
  worker.signal("SIGSTOP");
  await cluster.node(id, ({ status }) => status === "down");
  worker.signal("SIGCONT");
  await cluster.node(id, ({ status }) => status === "ready");
  const { events } = worker;
  assertEquals(new Set(events.map(({ node }) => node)), new Set([id]));
});

Deno.test("a worker notices a manager that is there and does not answer", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("patient");
  cluster.manager.signal("SIGSTOP");
  // Up to four beats of 5 s until it is noticed, and a dial of 10 s that has no
  // answer either.
  const lost = await worker.waitFor("disconnected", { timeoutMs: 60_000 });
  cluster.manager.signal("SIGCONT");
  assertMatch(String(lost["reason"]), /answer|timed out|no answer/i);
  await worker.waitFor("connected");
});
