import { assertEquals } from "@std/assert";
import { MovePace } from "../../lib/worker/move_pace.ts";

Deno.test("MovePace lets four moves happen at once, and then two a second", () => {
  const pace = new MovePace();
  for (let i = 0; i < 4; i++) {
    assertEquals(pace.waitMs(1_000 + i), 0);
    pace.moved(1_000 + i);
  }
  assertEquals(pace.waitMs(1_004), 1_996);
  assertEquals(pace.waitMs(3_000), 0);
  pace.moved(3_000);
  assertEquals(pace.waitMs(3_000), 1);
  // Asked as often as can be: never more than four in two seconds.
  let now = 3_000;
  const moves = [];
  for (let i = 0; i < 40; i++) {
    now += pace.waitMs(now);
    pace.moved(now);
    moves.push(now);
  }
  for (let i = 4; i < 40; i++) {
    assertEquals((moves[i] ?? 0) - (moves[i - 4] ?? 0) >= 2_000, true);
  }
});
