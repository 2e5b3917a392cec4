import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { House } from "../manager/house.ts";
import { operate } from "../manager/operate.ts";
import { Device, endpointOf, MANAGER, serverOf } from "./device.ts";
import { Fleet } from "./fleet.ts";

/** `worker join` with a token, as a new process. */
async function joining(device: Device, token: string) {
  return await startWorker(device.ports(), {
    join: { token: parseJoinToken(token), managers: [endpointOf(MANAGER)] },
    stateDir: "/state",
    signal: new AbortController().signal,
  });
}

Deno.test("W26: a root that lies on the disk is no reason to trust who has a certificate of it", async () => {
  const [mine, other] = [
    await House.open(),
    await House.open({ label: "other" }),
  ];
  const device = new Device(mine);
  await joining(device, await mine.tokens.show("worker"));
  const before = device.disk.identity;
  device.binding = "another machine";
  // Its disk trusts the root of the manager that answers; the token does not.
  const token = await other.tokens.show("worker");
  const error = await assertRejects(
    () => joining(device, token),
    SwarmdError,
  );
  assertEquals(error.code, "root-mismatch");
  const secret = encodeBase36(parseJoinToken(token).secret);
  const said = [true, false].map((verified) =>
    device.net.written({ verified })
  );
  assertFalse(JSON.stringify(said).includes(secret));
  assertEquals(device.disk.identity, before);
  device.net.servers.set(MANAGER, serverOf(other));
  const { held } = await joining(device, token);
  assertEquals(held.clusterId, other.cluster.id);
});

Deno.test("startWorker() is a worker by a worker's token, whatever the machine was before", async () => {
  await using fleet = await Fleet.open();
  const { house } = fleet;
  const device = fleet.device("one");
  const token = await house.tokens.show("manager");
  const first = await joining(device, token);
  assertEquals(first.held.role, "manager");
  const { nodeId } = first.held;
  const process = await fleet.run(device);
  await fleet.pass(SECOND);
  await operate(fleet.running, "nodes/remove", { id: nodeId, force: true });
  await fleet.pass(SECOND);
  assert(await process.ended instanceof SwarmdError);
  fleet.forget(process);
  const again = await fleet.join(device);
  await fleet.pass(MINUTE);
  assertEquals(again.worker.held.role, "worker");
  assert(again.id !== nodeId);
  assertEquals(house.node(again.id).role, "worker");
});
