import { assertEquals } from "@std/assert";
import { MINUTE } from "../../lib/base/time.ts";
import { House } from "./house.ts";
import { Running } from "./running.ts";

Deno.test("Housekeeping finishes a change of keys with longer and longer pauses, and serves meanwhile", async () => {
  const house = await House.open();
  let left = 6;
  const tried: number[] = [];
  await using _running = await Running.start(house, {
    sealing: {
      unfinished: () => left > 0 ? "the disk is full" : undefined,
      finish: () => {
        tried.push(house.clock.monotonic());
        if (--left === 0) return Promise.resolve();
        return Promise.reject(new Error("the disk is full"));
      },
    },
  });
  await house.clock.advance(20 * MINUTE);
  assertEquals([tried.length, left], [6, 0]);
  const pauses = tried.slice(1).map((at, i) => at - (tried[i] ?? 0));
  const bounds = pauses.map((pause, i) =>
    pause >= 5_000 * 2 ** i && pause <= 10_000 * 2 ** i + 1_000
  );
  assertEquals(bounds, Array(5).fill(true), `${pauses}`);
  const said = house.logged.filter(({ message }) => message.includes("sealed"));
  assertEquals(said.map(({ level }) => level), [
    ...Array(5).fill("error"),
    "info",
  ]);
});
