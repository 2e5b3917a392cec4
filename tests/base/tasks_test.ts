import { assertEquals, assertRejects } from "@std/assert";
import { runTasks, type Task } from "../../lib/base/tasks.ts";
import { settle } from "../fakes/clock.ts";

/** Runs until it is stopped, and notes why in a list. */
function waiting(ended: unknown[]): Task {
  return (signal) =>
    new Promise((resolve) => {
      const end = () => {
        ended.push(signal.reason);
        resolve();
      };
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
}

const never = () => new AbortController().signal;

Deno.test("runTasks() stops all when the first ends", async () => {
  const ended: unknown[] = [];
  await runTasks(
    [waiting(ended), waiting(ended), () => Promise.resolve()],
    never(),
  );
  assertEquals(ended.length, 2);
});

Deno.test("runTasks() stops all when one fails, and tells why", async () => {
  const ended: unknown[] = [];
  const failing = () => Promise.reject(new RangeError("first"));
  await assertRejects(
    () => runTasks([waiting(ended), failing, waiting(ended)], never()),
    RangeError,
    "first",
  );
  assertEquals(ended.length, 2);
});

Deno.test("runTasks() takes a task that throws at once for a failure", async () => {
  const throwing = () => {
    throw new RangeError("at once");
  };
  await assertRejects(() => runTasks([throwing], never()), RangeError);
});

Deno.test("runTasks() waits until the slowest has ended", async () => {
  const slow = Promise.withResolvers<void>();
  let done = false;
  const all = runTasks([() => Promise.resolve(), () => slow.promise], never());
  const watched = all.then(() => done = true);
  await settle();
  assertEquals(done, false);
  slow.resolve();
  await watched;
  assertEquals(done, true);
});

Deno.test("runTasks() passes the outer abort on and ends in peace", async () => {
  const ended: unknown[] = [];
  const outer = new AbortController();
  const all = runTasks([waiting(ended), waiting(ended)], outer.signal);
  const reason = new Error("SIGTERM");
  outer.abort(reason);
  await all;
  assertEquals(ended, [reason, reason]);
});

Deno.test("runTasks() starts under a signal that is aborted already", async () => {
  const ended: unknown[] = [];
  await runTasks([waiting(ended)], AbortSignal.abort("why"));
  assertEquals(ended, ["why"]);
});

Deno.test("runTasks() does not take for a failure how tasks end when stopped", async () => {
  const outer = new AbortController();
  const breaking: Task = (signal) =>
    new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  const all = runTasks([breaking, breaking], outer.signal);
  outer.abort(new Error("stop"));
  await all;
});

Deno.test("runTasks() leaves no listener on the outer signal", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const counted = new Proxy(signal, {
    get(target, name) {
      if (name === "addEventListener") listeners++;
      if (name === "removeEventListener") listeners--;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  await runTasks([() => Promise.resolve()], counted);
  assertEquals(listeners, 0);
});
