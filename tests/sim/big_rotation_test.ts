import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { RotationProgress } from "../../lib/cluster/rotation_progress.ts";
import { bundleOf } from "../../lib/cluster/root_views.ts";
import { LightFleet } from "./light_fleet.ts";

/** With as many seeds as nobody waits for, as many nodes as anybody has. */
const NODES = Number(Deno.env.get("SWARMD_SIM_SEEDS") ?? 20) >= 100
  ? 10_000
  : 2_000;
const AWAY = NODES / 50;
/** Nodes that a manager asks at a time. */
const IN_FLIGHT = 64;
const DEADLINE_MS = 15 * MINUTE;

Deno.test(`RotationDesk carries ${NODES} nodes from root to root, and takes ${AWAY} that are away at the deadline`, async () => {
  const fleet = new LightFleet(1);
  const { clock, tallies, nodes } = fleet;
  await fleet.open(NODES);
  const away = nodes.slice(0, AWAY);
  const here = nodes.slice(AWAY);
  fleet.connect(here, 5 * MINUTE);
  await clock.runUntil(6 * MINUTE);
  assertEquals([...fleet.manager.desk.sessions].length, here.length);
  tallies.connection.most = 0;
  const before = fleet.cluster.root.generation;
  const desk = fleet.manager.rotation;
  const started = clock.now;
  clock.after(0, () => {
    void desk.start({ deadlineMs: DEADLINE_MS, quorum: 0.97 });
  });

  await clock.runUntil(started + DEADLINE_MS - SECOND);
  // Whoever is here has come along; the others are waited for, by name.
  let seen: RotationProgress | undefined;
  clock.after(0, async () => {
    seen = await desk.progress();
  });
  await clock.runUntil(clock.now + SECOND / 2);
  const { phase, stragglers = [], done } = seen ?? {};
  assertEquals(phase, "renewing");
  assertEquals(done, here.length + 1);
  assertEquals(
    stragglers.map(({ node }) => node).toSorted(),
    away.map(({ identity }) => identity.id).toSorted(),
  );
  assert(stragglers.every(({ reason }) => reason.startsWith("down since ")));

  await clock.runUntil(started + DEADLINE_MS + 10 * MINUTE);
  const { root, rotation } = fleet.cluster;
  assertEquals([root.generation, rotation], [before + 1, undefined]);
  const { digest } = bundleOf(fleet.cluster);
  for (const { identity: { id, bundle }, connections } of here) {
    assertEquals(bundle, digest);
    const record = fleet.node(id);
    assertEquals(record?.trusts, digest);
    const { issuerKeyId } = record?.certificates.current ?? {};
    assertEquals(issuerKeyId, root.facts?.keyId);
    // The first, one renewal, two bundles, and one for the manager's own.
    assertLessOrEqual(connections, 5);
  }
  assertEquals(fleet.manager.desk.refusals, 0);
  assertLessOrEqual(tallies.renewal.most, IN_FLIGHT);
  // Those that are asked, and those that move for the manager's certificate.
  assertLessOrEqual(tallies.connection.most, 2 * IN_FLIGHT);
  await fleet.stop();
});
