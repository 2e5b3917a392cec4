import { assert, assertEquals } from "@std/assert";
import { MINUTE } from "../../lib/base/time.ts";
import type { SignedHead } from "../../lib/cluster/audit_head.ts";
import { HeadKeeper } from "../../lib/worker/head_keeper.ts";
import { FakeClock } from "../fakes/clock.ts";

Deno.test("HeadKeeper keeps the newest head, and tells what is on disk", async () => {
  const { keeper, disk, told } = rig();
  await keeper.seen(head(3));
  assertEquals([disk.writes, told], [1, [3]]);
  await keeper.seen(head(3));
  assertEquals(disk.writes, 1);
  assertEquals(keeper.newest, head(3));
  assertEquals(keeper.alarm, undefined);
});

Deno.test("HeadKeeper writes at most every 10 minutes, however often the head changes", async () => {
  const { keeper, disk, told, clock } = rig();
  for (let i = 1; i <= 100; i++) await keeper.seen(head(i));
  assertEquals([disk.writes, told], [1, [1]]);
  assertEquals(keeper.newest, head(100));
  await clock.advance(10 * MINUTE);
  await keeper.seen(head(101));
  assertEquals([disk.writes, told], [2, [1, 101]]);
});

const WRONG: readonly (readonly [string, SignedHead, string])[] = [
  ["ends earlier", head(4), "ends at 4, and had signed it up to 5"],
  ["says something else", { ...head(5), hash: "cd".repeat(32) }, "twice"],
];

for (const [what, wrong, alarm] of WRONG) {
  Deno.test(`HeadKeeper raises the alarm and keeps what it has when the log ${what}`, async () => {
    const { keeper, disk, logged, clock } = rig();
    await keeper.seen(head(5));
    for (let i = 0; i < 10; i++) await keeper.seen(wrong);
    assertEquals(keeper.newest, head(5));
    assert(keeper.alarm?.includes(alarm), keeper.alarm);
    assertEquals([logged.length, disk.writes], [1, 1]);
    await clock.advance(10 * MINUTE);
    await keeper.seen(wrong);
    assertEquals(logged.length, 2);
    // Goes on from a log that has grown past it, and does not forget.
    await keeper.seen(head(6));
    assertEquals(keeper.newest, head(6));
    assert(keeper.alarm);
  });
}

Deno.test("HeadKeeper keeps one head for each manager, of eight at the most", async () => {
  const { keeper, disk, clock } = rig();
  for (let i = 1; i <= 10; i++) {
    await keeper.seen({ ...head(10 - i), manager: `m${i}` });
    await clock.advance(10 * MINUTE);
  }
  assertEquals(keeper.alarm, undefined);
  assertEquals(
    disk.heads.map(({ manager }) => manager),
    ["m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10"],
  );
});

function head(sequence: number): SignedHead {
  return {
    sequence,
    hash: "ab".repeat(32),
    at: sequence,
    manager: "m1",
    certificate: "AAAA",
    signature: "AAAA",
  };
}

function rig() {
  const clock = new FakeClock();
  const logged: string[] = [];
  const told: number[] = [];
  const disk = { heads: [] as readonly SignedHead[], writes: 0 };
  const log = (message: string) => {
    logged.push(message);
  };
  const keeper = new HeadKeeper({
    clock,
    logger: { debug: log, info: log, warn: log, error: log },
    kept: () => disk.heads,
    keep: (heads, durably) => {
      disk.heads = heads;
      if (durably) disk.writes++;
      return Promise.resolve();
    },
    told: ({ sequence }) => told.push(sequence),
  });
  return { keeper, disk, told, logged, clock };
}
