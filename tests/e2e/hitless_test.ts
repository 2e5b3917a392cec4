import { assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";

Deno.test("a worker tells no disconnect while it and its manager renew", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const worker = await cluster.connectedWorker("a");
  await Promise.all([
    worker.waitFor("renewed").then(() => worker.waitFor("renewed")),
    cluster.manager.waitFor("renewed"),
  ]);
  await worker.stop();
  const names = worker.events.map(({ event }) => event);
  assertEquals(names.filter((name) => name === "disconnected"), []);
  const { log } = cluster.manager;
  assertEquals(log.filter(({ message }) => /refused/.test(message)), []);
});
