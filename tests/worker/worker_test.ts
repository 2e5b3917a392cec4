import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import type { JoiningStatus } from "../../lib/cluster/local_api.ts";
import {
  answerOperator,
  answerWhileJoining,
} from "../../lib/worker/local_api.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { turn } from "../fakes/clock.ts";
import { CALM } from "../manager/house.ts";
import { diskFull } from "../sim/sim_disk.ts";
import { MANAGER } from "./device.ts";
import { Fleet, type Process } from "./fleet.ts";
import { DeadlyDisk, deaths } from "./kill.ts";

Deno.test("Worker connects, registers, and is ready", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const { id, worker } = await fleet.join(device);
  const { house, running } = fleet;
  assert(worker.uplink.connected);
  const record = house.node(id);
  assertEquals(record.description?.hostname, "edge");
  assertEquals(record.certificates.pending, undefined);
  assertEquals(running.manager.desk.sessions.liveness(id), "ready");
  const session = running.manager.desk.sessions.of(id);
  assertEquals(session?.trustRoot, worker.trustRoot);
  assertEquals(device.events.map(({ event }) => event), [
    "joined",
    "connected",
  ]);
});

Deno.test("Worker lives through many renewals, its own and the manager's, without a gap", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: MINUTE / 2, drill: true });
  const devices = ["one", "two"].map((label) => fleet.device(label));
  const processes: Process[] = [];
  for (const device of devices) processes.push(await fleet.join(device));
  const { sessions } = fleet.running.manager.desk;
  const before = processes.map(({ id }) => sessions.of(id)?.id);
  await fleet.pass(4 * MINUTE);
  for (const [i, device] of devices.entries()) {
    const count = (what: string) =>
      device.events.filter(({ event }) => event === what).length;
    const { id } = processes[i] ?? { id: "" };
    assert(count("renewed") >= 9, `${count("renewed")}`);
    assertEquals([count("connected"), count("disconnected")], [1, 0]);
    assertEquals(sessions.of(id)?.id, before[i]);
  }
  assert(fleet.running.credentials.length >= 9);
  assertEquals(fleet.running.manager.desk.refusals, 0);
  for (const report of fleet.running.manager.drill.reports) {
    assert(report.written > 2_300);
    for (const reading of [report.read, report.theirRead]) {
      assert((reading?.received ?? 0) > 2_300);
      assertEquals(
        [reading?.lost, reading?.duplicated, reading?.reordered],
        [0, 0, 0],
      );
    }
  }
});

Deno.test("Worker is the same node after a kill at every write of a renewal", async () => {
  // Confirm at the connection; then stage, save, confirm, state, unstage.
  for (const death of deaths(6)) {
    await using fleet = await Fleet.open({ leafLifeMs: 5 * MINUTE });
    const device = fleet.device("one");
    const first = await fleet.join(device);
    await first.stop();
    const disk = new DeadlyDisk(death);
    disk.died = () => device.net.pipes.forEach((pipe) => pipe.cut());
    const killed = await fleet.run(device, disk);
    assertEquals(disk.writes, ["confirm"], "it writes while nothing changes");
    while (!disk.dead) await fleet.pass(5 * SECOND);
    fleet.forget(killed);
    const what = `${Deno.inspect(death)}: ${disk.writes}`;
    await fleet.pass(SECOND);
    const again = await fleet.run(device);
    await fleet.pass(SECOND);
    assertEquals(again.id, first.id, what);
    assert(again.worker.uplink.connected, what);
    await fleet.pass(2 * MINUTE);
    assertEquals(again.worker.renewal.failures, 0, what);
    assertEquals(fleet.house.nodes.length, 2, what);
    const { fingerprint } = again.worker.held.certificate;
    const { current } = fleet.house.node(again.id).certificates;
    assertEquals(current?.fingerprint, fingerprint, what);
    assertEquals(device.disk.image.content.identities.length, 1, what);
    assertEquals(device.disk.image.content.staged, undefined, what);
  }
});

Deno.test("Worker.leave() says what to do while there is no session", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const { worker, id } = await fleet.join(device);
  device.net.down = true;
  device.net.pipes.at(-1)?.cut();
  await fleet.pass(SECOND);
  const { signal } = new AbortController();
  const error = await assertRejects(() => worker.leave(signal), SwarmdError);
  assertEquals(error.code, "unreachable");
  assertMatch(error.hint ?? "", /swarmd node rm/);
  assertEquals([worker.left, fleet.house.node(id).admission], [
    false,
    "active",
  ]);
});

Deno.test("Worker finds its way back after its manager was away", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const { worker, id } = await fleet.join(device);
  device.net.down = true;
  device.net.pipes.at(-1)?.cut();
  // Away when it is to renew: the old identity serves, as long as it lives.
  await fleet.pass(40 * MINUTE);
  assertFalse(worker.uplink.connected);
  assertEquals(fleet.running.manager.desk.sessions.liveness(id), "down");
  device.net.down = false;
  await fleet.pass(5 * SECOND);
  assert(worker.uplink.connected);
  assertEquals(fleet.running.manager.desk.sessions.liveness(id), "ready");
  await fleet.pass(15 * MINUTE);
  assertEquals(worker.renewal.failures, 0);
  const renewed = device.events.filter(({ event }) => event === "renewed");
  assertEquals(renewed.length, 1);
});

Deno.test("Worker with a copied disk is a conflict, and both machines are told", async () => {
  await using fleet = await Fleet.open();
  const one = fleet.device("one");
  const { id } = await fleet.join(one);
  const two = fleet.device("two");
  two.disk.restore(one.disk.image);
  await fleet.run(two);
  await fleet.pass(2 * MINUTE);
  assertEquals(fleet.house.node(id).admission, "conflict");
  for (const process of fleet.processes) {
    assertFalse(process.worker.uplink.connected);
    assertEquals(process.worker.membership.refused, "conflict");
  }
  assert(fleet.running.isRunning);
});

Deno.test("Worker on a copy that is known as one does not start", async () => {
  await using fleet = await Fleet.open();
  const one = fleet.device("one");
  await fleet.join(one);
  const two = fleet.device("two");
  two.disk.restore(one.disk.image);
  two.binding = "another machine";
  const error = await fleet.run(two).catch((error) => error);
  assert(error instanceof SwarmdError && error.code === "cloned");
});

Deno.test("Worker whose disk was set back is refused by name, and takes nothing over", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const first = await fleet.join(device);
  const image = device.disk.image;
  await fleet.pass(2 * HOUR);
  await first.stop();
  device.disk.restore(image);
  const again = await fleet.run(device);
  await fleet.pass(MINUTE);
  assertFalse(again.worker.uplink.connected);
  // It ended meanwhile; what counts is that it is the node's no more.
  assert(again.worker.uplink.lastError);
  assertEquals(fleet.house.node(again.id).certificates.pending, undefined);
});

Deno.test("Worker whose certificate was replaced elsewhere remembers it, so that join begins anew", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const first = await fleet.join(device);
  await first.stop();
  await fleet.house.renew({ id: first.id });
  await fleet.house.seen(first.id);
  await fleet.pass(6 * MINUTE);
  const again = await fleet.run(device);
  await fleet.pass(MINUTE);
  assertEquals(again.worker.membership.refused, "replaced");
  assert(again.worker.uplink.lastError?.includes("replaced"));
  await again.stop();
  const anew = await fleet.join(device);
  assertNotEquals(anew.id, first.id);
  assert(anew.worker.uplink.connected);
  assertEquals(anew.worker.membership.refused, undefined);
});

Deno.test("Worker ends when its node is removed, and joins anew when it is told to", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const process = await fleet.join(device);
  await fleet.house.remove(process.id);
  await fleet.pass(SECOND);
  const ended = await Promise.race([process.ended, turn().then(() => "runs")]);
  assert(ended instanceof SwarmdError, String(ended));
  assertEquals(ended.code, "removed");
  const state = await WorkerState.load(device.disk.open(CALM));
  assertEquals(state.of(process.id)?.refused, "removed");
  const anew = await fleet.join(device);
  assertNotEquals(anew.id, process.id);
  assert(anew.worker.uplink.connected);
});

Deno.test("Worker that is suspended waits, and is back when it is resumed", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const { id, worker } = await fleet.join(device);
  const before = device.disk.identity;
  await fleet.house.change(id, { admission: "suspended" });
  await fleet.pass(10 * MINUTE);
  assertFalse(worker.uplink.connected);
  assert(worker.uplink.lastError?.includes("suspended"));
  assertEquals(device.disk.identity, before);
  await fleet.house.change(id, { admission: "active" });
  await fleet.pass(MINUTE);
  assert(worker.uplink.connected);
});

Deno.test("Worker moves when its clock jumps, and hurries out of a pause", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const { worker } = await fleet.join(device);
  const dialled = () => device.net.dialled.length;
  const before = dialled();
  fleet.house.clock.stepWall(HOUR);
  await fleet.pass(MINUTE);
  assertEquals(dialled(), before + 1);
  assert(worker.uplink.connected);
  assertEquals(
    device.events.filter(({ event }) => event === "disconnected"),
    [],
  );
});

Deno.test("Worker outlives a disk that takes nothing", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const first = await fleet.join(device);
  await first.stop();
  const full = {
    before: () => Promise.reject(diskFull()),
    after: () => Promise.resolve(),
  };
  const { worker } = await fleet.run(device, full);
  await fleet.pass(50 * MINUTE);
  assert(worker.uplink.connected);
  assert(worker.renewal.failures > 0);
  assert(worker.renewal.lastFailure?.error.includes("full"));
});

Deno.test("Worker remembers where its managers are, and where it was last", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const { worker, id } = await fleet.join(device);
  const managers = ["10.0.0.5:2377", "10.0.0.6:2377", "no address"];
  await fleet.house.store.update((tx) => {
    tx.put("cluster", "cluster", { ...fleet.house.cluster, managers });
  });
  await fleet.pass(SECOND);
  const known = managers.slice(0, 2);
  assertEquals(worker.membership.managers, known);
  assertEquals(worker.membership.last, MANAGER);
  const state = await WorkerState.load(device.disk.open(CALM));
  assertEquals(state.of(id), worker.membership);
});

/** Of the table in docs/protocol.md, one of each command. */
const MANAGERS_PATHS = [
  ...["ca/status", "ca/rotate", "ca/rehearse", "ca/cut-off", "ca/abort"],
  ...["ca/finish", "nodes", "nodes/abc", "nodes/promote", "nodes/renew"],
  ...["applicants", "tokens/create", "cluster", "cluster/update", "denylist"],
  ...["audit", "audit/page", "clock/accept", "autolock/key", "unlock"],
];

Deno.test("answerWhileJoining() says that there is no node yet, whatever is asked", async () => {
  const status: JoiningStatus = {
    role: "worker",
    state: "joining",
    since: "",
    version: "1",
    managers: [],
  };
  for (const path of [...MANAGERS_PATHS, "leave", "ca"]) {
    for (const method of ["GET", "POST"]) {
      const request = { method, path: `/v1/${path}` };
      const answer = await answerWhileJoining(request, status);
      const { error } = JSON.parse(answer.body);
      assertEquals(error.code, "precondition", `${method} ${path}`);
    }
  }
  const request = { method: "GET", path: "/v1/status" };
  assertEquals((await answerWhileJoining(request, status)).status, 200);
});

Deno.test("Worker says of itself what an operator asks", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const { worker, id } = await fleet.join(device);
  await fleet.pass(6 * SECOND);
  const ask = async (path: string, method = "GET") => {
    const parts = { worker, clock: fleet.house.clock, version: "1" };
    const answer = await answerOperator({ method, path }, parts);
    return { status: answer.status, body: JSON.parse(answer.body) };
  };
  const { status, body } = await ask("/v1/status");
  assertEquals(status, 200);
  assertEquals(body.role, "worker");
  assertEquals([body.node, body.cluster], [id, fleet.house.cluster.id]);
  assertEquals([body.state, body.manager], ["connected", MANAGER]);
  assertEquals(body.since, "2026-01-01T00:00:00.000Z");
  const { certificate } = worker.held;
  assertEquals(body.certificate.fingerprint256, certificate.fingerprint);
  assertEquals(body.renewal.state, "idle");
  assertEquals(body.renewal.failures, 0);
  assertEquals(body.clock.skewMs, 0);
  assertEquals(body.managers, [MANAGER]);
  const ca = await ask("/v1/ca");
  assertEquals(ca.body.rootDigest, body.trustRoot);
  assertEquals((await ask("/v1/nodes")).body.error.code, "role");
  assertEquals((await ask("/v1/tokens/worker")).body.error.code, "role");
  for (const path of MANAGERS_PATHS) {
    for (const method of ["GET", "POST"]) {
      const { error } = (await ask(`/v1/${path}`, method)).body;
      const said = [error.code, error.message];
      const want = ["role", "Cannot answer that: this node is a worker"];
      assertEquals(said, want, `${method} ${path}`);
    }
  }
  for (const path of ["/", "/v1", "/v1/status/x", "/v1/drill"]) {
    assertEquals((await ask(path)).status, 404, path);
  }
  // No secret of it is in what is shown.
  const shown = JSON.stringify([body, ca.body]);
  assertFalse(shown.includes("PRIVATE KEY"));
});

Deno.test("Worker renews before the end that a long outage leaves it", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: DAY });
  const device = fleet.device("one");
  const { worker } = await fleet.join(device);
  const { notAfter } = worker.held.certificate;
  device.net.down = true;
  device.net.pipes.at(-1)?.cut();
  fleet.house.clock.stepWall(23 * HOUR);
  await fleet.pass(MINUTE);
  device.net.down = false;
  // A twentieth of the hour that is left, at most.
  await fleet.pass(4 * MINUTE);
  assert(worker.uplink.connected);
  assert(worker.held.certificate.notAfter > notAfter);
});
