import { assertEquals } from "@std/assert";
import { chunks, slices } from "../../lib/base/slices.ts";

const ITEMS = ["a", "b", "c", "d", "e"];

Deno.test("chunks() gives every item once, in order, so many at a time", () => {
  assertEquals([...chunks(ITEMS, 2)], [["a", "b"], ["c", "d"], ["e"]]);
  assertEquals([...chunks(ITEMS, 5)], [ITEMS]);
  assertEquals([...chunks([], 5)], []);
});

Deno.test("slices() pauses between two of them, and neither before nor after", async () => {
  const seen: string[] = [];
  const pause = () => Promise.resolve(seen.push("pause"));
  for await (const slice of slices(ITEMS, { size: 2, pause })) {
    seen.push(slice.join(""));
  }
  assertEquals(seen, ["ab", "pause", "cd", "pause", "e"]);
});
