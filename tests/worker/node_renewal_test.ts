import { assert, assertEquals } from "@std/assert";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { operate } from "../manager/operate.ts";
import { Fleet, type Process } from "./fleet.ts";

Deno.test("W7: another life of certificates counts for the next issue, and node renew has everyone get it now", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: 10 * DAY });
  const { house, running } = fleet;
  const processes: Process[] = [];
  for (let i = 0; i < 20; i++) {
    processes.push(await fleet.join(fleet.device(`device ${i}`)));
  }
  const [down, ...others] = processes;
  assert(down);
  await fleet.pass(MINUTE);
  fleet.processes.shift();
  await down.stop();
  // Its session is kept for ten minutes, and what is asked of it with it.
  await fleet.pass(11 * MINUTE);
  const lives = () =>
    new Set(others.map(({ worker }) => {
      const { issuedAt, certificate: { notAfter } } = worker.held;
      // To the second, as certificates are
      return Math.round((notAfter - issuedAt) / SECOND) * SECOND;
    }));
  for (const leafLifeMs of [HOUR, 30 * DAY]) {
    await operate(running, "cluster/update", { leafLifeMs });
    const ids = processes.map(({ id }) => id);
    // In batches, with pauses between
    const asking = operate(running, "nodes/renew", { ids, all: false });
    await fleet.pass(3 * MINUTE);
    const { absent } = await asking;
    assertEquals(absent, [down.id]);
    assertEquals([...lives()], [leafLifeMs]);
  }
  // Twice each, nobody more often, and nobody was cut off for it.
  for (const { worker, id } of others) {
    assertEquals(worker.renewal.failures, 0);
    assertEquals(house.node(id).admission, "active");
  }
  assertEquals(running.manager.desk.refusals, 0);
});

Deno.test("a node that joined a moment ago follows its role, and renews for an operator, at once", async () => {
  await using fleet = await Fleet.open();
  const { house, running } = fleet;
  const { worker, id } = await fleet.join(fleet.device("new"));
  await fleet.pass(2 * SECOND);
  const serials = new Set([worker.held.certificate.serial]);
  const renewed = async (path: string, body: unknown) => {
    await operate(running, path, body);
    await fleet.pass(2 * SECOND);
    serials.add(worker.held.certificate.serial);
    assertEquals(worker.renewal.failures, 0);
    assertEquals(house.node(id).renewalWanted, undefined);
  };
  await renewed("nodes/promote", { id });
  assertEquals(worker.held.role, "manager");
  await renewed("nodes/demote", { id });
  assertEquals(worker.held.role, "worker");
  await renewed("nodes/renew", { ids: [], all: true });
  await renewed("nodes/renew", { ids: [id], all: false });
  assertEquals(serials.size, 5);
});
