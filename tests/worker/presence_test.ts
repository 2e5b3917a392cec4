import { assertEquals } from "@std/assert";
import type { WorkerEvent } from "../../lib/worker/ports.ts";
import { Presence } from "../../lib/worker/presence.ts";
import { FakeClock } from "../fakes/clock.ts";

const A = { node: "n", manager: "a:1" };
const B = { node: "n", manager: "b:1" };

Deno.test("Presence tells of each beginning and interruption once", async () => {
  const clock = new FakeClock();
  const events: WorkerEvent[] = [];
  const presence = new Presence({ clock, event: (e) => events.push(e) });
  presence.interrupted("never there");
  presence.connected(A);
  // Moving to another connection, of another manager, is no event.
  await clock.advance(1_000);
  presence.connected(B);
  presence.interrupted("gone");
  presence.interrupted("still gone");
  const since = presence.since;
  await clock.advance(1_000);
  presence.connected(B);
  presence.leave();
  presence.interrupted("after the end");
  assertEquals(events.map(({ event }) => event), [
    "connected",
    "disconnected",
    "connected",
  ]);
  const [, lost] = events;
  assertEquals(lost, { event: "disconnected", ...B, reason: "gone" });
  assertEquals(presence.since - since, 1_000);
});
