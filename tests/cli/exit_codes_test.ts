import { assert, assertEquals } from "@std/assert";
import {
  EXIT_CODES,
  EXIT_OF,
  type ExitName,
  exitNumber,
} from "../../lib/cli/exit_codes.ts";

const NAMES = Object.keys(EXIT_CODES) as ExitName[];
/** How the program ends without an error that has a code. */
const WITHOUT_ERROR: readonly ExitName[] = [
  "ok",
  "rotation-aborted",
  "drill-not-clean",
  "audit-broken",
];

Deno.test("EXIT_CODES are distinct, in order, and leave the shells' numbers alone", () => {
  const numbers = NAMES.map(exitNumber);
  assertEquals(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  for (const number of numbers) {
    assert(number < 126 || number === 130, String(number));
  }
});

Deno.test("EXIT_CODES each have a meaning and an error, or need none", () => {
  const reached = new Set<string>(Object.values(EXIT_OF));
  for (const name of NAMES) {
    assertEquals(reached.has(name), !WITHOUT_ERROR.includes(name), name);
    assert(/^[A-Z].*[^.]$/.test(EXIT_CODES[name].meaning), name);
  }
});

Deno.test("EXIT_CODES keep the numbers that scripts rely on", () => {
  assertEquals(NAMES.map((name) => `${exitNumber(name)} ${name}`), [
    "0 ok",
    "1 internal",
    "2 usage",
    "3 not-initialised",
    "4 already-initialised",
    "5 locked-directory",
    "6 damaged-state",
    "7 newer-store",
    "8 disk",
    "10 unreachable",
    "11 token-refused",
    "12 unverified",
    "13 clock-skew",
    "14 removed",
    "15 suspended",
    "16 conflict",
    "17 refused",
    "18 not-found",
    "19 protocol",
    "20 busy",
    "21 rotation-aborted",
    "22 locked",
    "24 audit-broken",
    "30 drill-not-clean",
    "130 interrupted",
  ]);
});
