import { assert, assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { eventually, swarmd } from "./harness.ts";

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

Deno.test("a renewal that comes while the manager is away leaves the old identity, and is made up for", async () => {
  await using cluster = await Cluster.start({ life: "30s" });
  const worker = await cluster.connectedWorker("a");
  await cluster.manager.kill();
  const path = `${cluster.dir("a")}/certificates`;
  const before = await Deno.readLink(path);
  const status = ["status", `--state-dir=${cluster.dir("a")}`, "--json"];
  await eventually("a renewal that waits", async () => {
    const { stdout } = await swarmd(status);
    const { state, renewal } = JSON.parse(stdout);
    assert(state !== "connected");
    return renewal.state === "idle" ? undefined : true;
  });
  assertEquals(await Deno.readLink(path), before);
  await cluster.runManager();
  await worker.waitFor("renewed");
  assert(await Deno.readLink(path) !== before);
});
