import { assertEquals, assertRejects } from "@std/assert";
import { Deadline } from "../../lib/net/deadline.ts";
import { FakeClock, settle } from "../fakes/clock.ts";

const timedOut = () => new Error("time is over");

Deno.test("run() gives what the step gives, in time", async () => {
  const clock = new FakeClock();
  {
    using deadline = new Deadline({ clock, timeoutMs: 100, timedOut });
    assertEquals(await deadline.run(Promise.resolve(1)), 1);
    await assertRejects(
      () => deadline.run(Promise.reject(new Error("own"))),
      Error,
      "own",
    );
  }
  assertEquals(clock.pending, 0);
});

Deno.test("run() limits all steps together, and undoes the late one", async () => {
  const clock = new FakeClock();
  using deadline = new Deadline({ clock, timeoutMs: 100, timedOut });
  await clock.advance(60);
  await deadline.run(Promise.resolve());
  const slow = Promise.withResolvers<string>();
  const undone: string[] = [];
  const running = deadline.run(slow.promise, (late) => undone.push(late));
  const failed = assertRejects(() => running, Error, "time is over");
  await clock.advance(40);
  await failed;
  slow.resolve("late");
  await settle();
  assertEquals(undone, ["late"]);
});

Deno.test("run() ends with the signal's reason, also one of before", async () => {
  const clock = new FakeClock();
  const control = new AbortController();
  const forever = new Promise<never>(() => {});
  const options = { clock, timeoutMs: 100, timedOut, signal: control.signal };
  {
    using deadline = new Deadline(options);
    const running = deadline.run(forever);
    control.abort(new Error("stop"));
    await assertRejects(() => running, Error, "stop");
  }
  {
    using deadline = new Deadline(options);
    await assertRejects(() => deadline.run(forever), Error, "stop");
  }
  assertEquals(clock.pending, 0);
});
