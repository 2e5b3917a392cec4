import { assertEquals, assertThrows } from "@std/assert";
import { chosenSuites, countTests } from "../../scripts/test.ts";

Deno.test("countTests() reads the last summary", () => {
  const cases = [
    ["ok | 12 passed | 0 failed (1s)\n", true, [12, 0]],
    ["ok | 12 passed (3 steps) | 0 failed (1s)\n", true, [12, 0]],
    ["FAILED | 2 passed | 1 failed (11ms)\n", false, [2, 1]],
    [
      "FAILED | 2 passed (1 step) | 1 failed | 3 filtered out (1s)\n",
      false,
      [2, 1],
    ],
    ["\x1b[0m\x1b[32mok\x1b[0m | 1 passed | 0 failed (2s)\n", true, [1, 0]],
    [
      "ok | 5 passed | 0 failed (a test printed this)\nFAILED | 1 passed | 2 failed (1s)\n",
      false,
      [1, 2],
    ],
  ] as const;
  for (const [output, success, [passed, failed]] of cases) {
    assertEquals(countTests(output, success), { passed, failed }, output);
  }
});

Deno.test("countTests() never takes a crash for success", () => {
  const cases = [
    ["", true, { passed: 0, failed: 1 }],
    ["", false, { passed: 0, failed: 1 }],
    ["error: Type checking failed.\n", false, { passed: 0, failed: 1 }],
    ["ok | 3 passed | 0 failed (1s)\n", false, { passed: 3, failed: 1 }],
    ["not ok | 3 passed | 0 failed\n", true, { passed: 0, failed: 1 }],
  ] as const;
  for (const [output, success, want] of cases) {
    assertEquals(countTests(output, success), want, output);
  }
});

Deno.test("chosenSuites() keeps the order of the table", () => {
  const usual = ["checks", "unit", "sim", "binary", "source"] as const;
  assertEquals(chosenSuites(undefined), [...usual]);
  assertEquals(chosenSuites("e2e"), ["e2e"]);
  assertEquals(chosenSuites("e2e,unit"), ["unit", "e2e"]);
  assertThrows(() => chosenSuites("unit,typo"), SyntaxError, '"typo"');
  assertThrows(() => chosenSuites(""), SyntaxError, '""');
});
