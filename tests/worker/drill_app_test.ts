import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DrillApp } from "../../lib/worker/drill_app.ts";
import type { WorkerSession } from "../../lib/worker/worker_session.ts";
import { FakeClock, turn } from "../fakes/clock.ts";
import { SeededRandom } from "../fakes/random.ts";

const READ = {
  received: 0,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  longestGapMs: 0,
};

function session(written: number[], roomy = true): WorkerSession {
  const notify = (_: string, params: unknown) =>
    written.push((params as { number: number }).number);
  return { opened: true, roomy, notify } as unknown as WorkerSession;
}

Deno.test("DrillApp writes once the manager has, and only while there is room", async () => {
  const clock = new FakeClock(0, turn);
  const app = new DrillApp({ clock, random: new SeededRandom(1) });
  const written: number[] = [];
  const stop = new AbortController();
  let now: WorkerSession | undefined = session(written);
  const running = app.run(() => now, stop.signal);
  await clock.advance(10_000);
  assertEquals(written, []);
  app.read({ stream: "s".repeat(25), number: 1, read: READ });
  await turn();
  await clock.advance(300);
  assertEquals(written, [1, 2, 3]);
  // A number that is not written does not count.
  now = undefined;
  await clock.advance(300);
  now = session(written, false);
  await clock.advance(300);
  now = session(written);
  await clock.advance(100);
  assertEquals(written, [1, 2, 3, 4]);
  stop.abort(new Error("over"));
  await assertRejects(() => running, Error, "over");
  assertEquals(clock.pending, 0);
});

Deno.test("DrillApp answers the manager's last number with its own, which tells all that was read", async () => {
  const clock = new FakeClock(0, turn);
  const app = new DrillApp({ clock, random: new SeededRandom(1) });
  const written: Record<string, unknown>[] = [];
  const notify = (_: string, params: unknown) =>
    written.push(params as Record<string, unknown>);
  const open = { opened: true, roomy: true, notify };
  const stop = new AbortController();
  const running = app.run(
    () => open as unknown as WorkerSession,
    stop.signal,
  );
  const stream = "s".repeat(25);
  app.read({ stream, number: 1, read: READ });
  await turn();
  await clock.advance(100);
  app.read({ stream, number: 2, read: READ, last: true });
  await clock.advance(1_000);
  assertEquals(written.map(({ number, last }) => [number, last]), [
    ...[[1, undefined], [2, true]],
  ]);
  assertEquals((written[1]?.["read"] as typeof READ).received, 2);
  stop.abort(new Error("over"));
  await assertRejects(() => running, Error, "over");
});

Deno.test("DrillApp that never began ends too", async () => {
  const clock = new FakeClock(0, turn);
  const app = new DrillApp({ clock, random: new SeededRandom(1) });
  const stop = new AbortController();
  const running = app.run(() => undefined, stop.signal);
  stop.abort(new Error("over"));
  await assertRejects(() => running, Error, "over");
});

Deno.test("DrillApp refuses numbers that are none", () => {
  const clock = new FakeClock();
  const app = new DrillApp({ clock, random: new SeededRandom(1) });
  for (const params of [undefined, {}, { stream: "x", number: 1 }]) {
    assertThrows(() => app.read(params), SwarmdError);
  }
});
