import { assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { swarmd } from "./harness.ts";

/** Every name under which programs look for a proxy; nobody is there. */
const DEAD_PROXY = Object.fromEntries(
  ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [
    [name, "http://127.0.0.1:1"],
    [name.toLowerCase(), "http://127.0.0.1:1"],
  ]),
);

Deno.test("a dead proxy in the environment has no influence on manager, join, session, renewal or operator", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  await cluster.manager.stop();
  await cluster.runManager({ env: DEAD_PROXY });
  const env = { ...DEAD_PROXY, NO_PROXY: "" };
  const worker = await cluster.connectedWorker("a", { env });
  await worker.waitFor("renewed");
  const status = ["status", `--state-dir=${cluster.dir("a")}`];
  assertEquals((await swarmd(status, { env })).code, 0);
  await worker.stop();
  assertEquals(
    worker.events.map(({ event }) => event),
    ["joined", "connected", "renewed", "stopped"],
  );
});
