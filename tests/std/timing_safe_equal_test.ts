import { assertEquals } from "@std/assert";
import { timingSafeEqual } from "@std/crypto";

const bytes = (...values: number[]) => new Uint8Array(values);

Deno.test("timingSafeEqual() compares length and content", () => {
  const cases = [
    [bytes(), bytes(), true],
    [bytes(1, 2, 3), bytes(1, 2, 3), true],
    [bytes(1, 2, 3), bytes(1, 2, 4), false],
    [bytes(1, 2, 3), bytes(0, 2, 3), false],
    [bytes(1, 2, 3), bytes(1, 2), false],
    [bytes(1, 2), bytes(1, 2, 0), false],
    [bytes(0), bytes(), false],
    [bytes(255), bytes(127), false],
  ] as const;
  for (const [a, b, want] of cases) {
    assertEquals(timingSafeEqual(a, b), want, `${a} and ${b}`);
  }
});

Deno.test("timingSafeEqual() sees the bytes behind every view", () => {
  const whole = bytes(9, 1, 2, 9);
  const part = whole.subarray(1, 3);
  assertEquals(timingSafeEqual(part, bytes(1, 2)), true);
  assertEquals(timingSafeEqual(bytes(1, 2).buffer, part), true);
  assertEquals(timingSafeEqual(new DataView(whole.buffer, 1, 2), part), true);
  assertEquals(
    timingSafeEqual(new Uint16Array(whole.slice(1, 3).buffer), part),
    true,
  );
});
