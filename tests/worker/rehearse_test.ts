import { assert, assertEquals, assertMatch } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { Worker } from "../../lib/worker/worker.ts";
import { turn } from "../fakes/clock.ts";
import { House } from "../manager/house.ts";
import { Device, MANAGER } from "./device.ts";
import { Process } from "./fleet.ts";
import { Scripted, SILENCE } from "./scripted.ts";

/** A worker whose manager never answers what it is asked in a rehearsal. */
async function rehearsing() {
  const house = await House.open();
  const device = new Device(house);
  await device.join();
  const manager = await Scripted.of(house);
  const asked: unknown[] = [];
  manager.answers["node.rehearse"] = ({ params }) => {
    asked.push(params["rehearsal"]);
    return SILENCE;
  };
  device.net.servers.set(MANAGER, manager);
  const { signal } = new AbortController();
  const order = { stateDir: "/state", signal };
  const options = await startWorker(device.ports(), order);
  const process = new Process(new Worker(options));
  await turn();
  let sent = 0;
  const ask = async (rehearsal: string) => {
    const params = { rehearsal };
    const n = ++sent;
    manager.last.send({ n, method: "node.rehearse-now", params });
    await house.clock.advance(1);
  };
  const endSession = async () => {
    const now = house.clock.now();
    const params = { code: "session-ended", message: "over", now };
    manager.last.push("close", params);
    manager.last.connection.close();
    await house.clock.advance(10 * SECOND);
    sent = 0;
  };
  return { house, manager, process, asked, ask, endSession };
}

const [ONE, TWO] = ["1".repeat(25), "2".repeat(25)];

Deno.test("Worker rehearses one renewal at a time, and tells of one that was not answered", async () => {
  const { house, manager, process, asked, ask } = await rehearsing();
  await ask(ONE);
  await ask(TWO);
  assertEquals(asked, [ONE]);
  await house.clock.advance(MINUTE);
  const [told, ...more] = manager.last.heard("node.rehearsed");
  assertEquals([told?.["rehearsal"], more], [ONE, []]);
  assertMatch(`${told?.["problem"]}`, /no?ne came within/);
  await ask(TWO);
  assertEquals(asked, [ONE, TWO]);
  assertEquals(await process.stop(), undefined);
});

Deno.test("Worker tells of a rehearsal in the session that asked for it, and in no other", async () => {
  const { manager, process, asked, ask, endSession } = await rehearsing();
  await ask(ONE);
  const lines = manager.lines.length;
  await endSession();
  assert(manager.lines.length > lines && process.worker.uplink.connected);
  const told = manager.lines.flatMap((line) => line.heard("node.rehearsed"));
  assertEquals(told, []);
  await ask(TWO);
  assertEquals(asked, [ONE, TWO]);
  assertEquals(await process.stop(), undefined);
});

Deno.test("Worker ends at once while a rehearsal waits for its answer", async () => {
  const { house, process, asked, ask } = await rehearsing();
  await ask(ONE);
  assertEquals(asked, [ONE]);
  const before = house.clock.monotonic();
  assertEquals(await process.stop(), undefined);
  assertEquals(house.clock.monotonic(), before);
});
