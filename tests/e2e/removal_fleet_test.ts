import { assert, assertEquals } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { eventually, type Swarmd, within } from "./harness.ts";
import { type LightPlace, LightWorker } from "./light_worker.ts";
import { portsTo, untilEnded } from "./sockets.ts";

const FLEET = 100;
const REMOVED = 10;
const AT_ONCE = 10;
/** Less than it takes until a silent node is cut off for that, 15 s. */
const BEFORE_SILENCE_MS = 10_000;

async function startFleet(cluster: Cluster): Promise<LightWorker[]> {
  const root = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  const place: LightPlace = {
    hostname: "127.0.0.1",
    port: cluster.port,
    ca: await Deno.readTextFile(root),
    secret: cluster.tokens.worker.split("-").at(-1) ?? "",
  };
  const fleet: LightWorker[] = [];
  while (fleet.length < FLEET) {
    const batch = Array.from(
      { length: AT_ONCE },
      () => LightWorker.join(place),
    );
    fleet.push(...await Promise.all(batch));
  }
  return fleet;
}

/** Stops a worker's process, so that it reads no more, and removes its node. */
async function removeDeaf(cluster: Cluster, deaf: Swarmd): Promise<void> {
  const [port, ...others] = portsTo(cluster.port, deaf.pid);
  assert(port !== undefined && others.length === 0, `${port} ${others}`);
  deaf.signal("SIGSTOP");
  const id = String(deaf.events[0]?.["node"]);
  await cluster.ask("node", "rm", "--force", id);
  const ends = { local: cluster.port, remote: port };
  const ended = untilEnded(ends, { everyMs: 20 });
  await within("its end", ended, { timeoutMs: BEFORE_SILENCE_MS });
}

Deno.test("node rm --force ends the sessions of nodes that read and of one that stopped reading, and no other", async () => {
  await using cluster = await Cluster.start();
  await using stack = new AsyncDisposableStack();
  const stays = await cluster.connectedWorker("stays");
  const deaf = await cluster.connectedWorker("deaf");
  const fleet = await startFleet(cluster);
  for (const each of fleet) stack.use(each);

  await removeDeaf(cluster, deaf);
  const [gone, rest] = [fleet.slice(0, REMOVED), fleet.slice(REMOVED)];
  for (const { nodeId } of gone) {
    await cluster.ask("node", "rm", "--force", nodeId);
  }
  await eventually(
    "the end of each that was removed",
    () => Promise.resolve(gone.every(({ lost }) => lost === 1) || undefined),
  );
  const nodes = await cluster.nodes();
  assertEquals(nodes.length, FLEET - REMOVED + 2);
  assertEquals(new Set(nodes.map(({ status }) => status)), new Set(["ready"]));
  assertEquals(rest.filter(({ lost }) => lost > 0), []);
  assertEquals(stays.events.map(({ event }) => event), ["joined", "connected"]);

  // It finds its connection ended, and is told why on the next.
  deaf.signal("SIGCONT");
  assertEquals((await deaf.waitForEnd()).code, 14);
});
