import { assert, assertEquals } from "@std/assert";
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

Deno.test("Housekeeping ends all overlaps that are over, few in one commit", async () => {
  const house = await House.open();
  const known = house.node((await house.addSeenNode()).id);
  const { current } = known.certificates;
  assert(current);
  const until = house.clock.now() + MINUTE;
  const ids = Array.from({ length: 100 }, (_, i) => `n${i}`);
  await house.store.update((tx) => {
    for (const id of ids) {
      const serial = `01${id}`;
      const previous = { ...current, serial, fingerprint: serial, until };
      tx.put("node", id, { ...known, id, certificates: { current, previous } });
    }
  });
  await using _running = await Running.start(house);
  const sizes: number[] = [];
  house.store.watch((changes) => {
    sizes.push(changes.filter(({ kind }) => kind === "denied").length);
  });
  await house.clock.advance(MINUTE - 1);
  assertEquals(Math.max(0, ...sizes), 0);
  await house.clock.advance(2_000);
  assertEquals(sizes.filter((size) => size > 0), [32, 32, 32, 4]);
  assert(house.nodes.every(({ certificates }) => !certificates.previous));
});
