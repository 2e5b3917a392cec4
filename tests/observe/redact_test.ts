import { assertEquals } from "@std/assert";
import { redact } from "../../lib/observe/redact.ts";

const ROOT = "a".repeat(50);
const SECRET = "b".repeat(25);

const CASES: readonly [text: string, redacted: string][] = [
  [`token SWMTKN-1-${ROOT}-${SECRET}.`, "token SWMTKN-1-[redacted]."],
  [`SWMTKN-1-${ROOT}`, "SWMTKN-1-[redacted]"],
  [`SWMTKN-2-${ROOT}-${SECRET}`, "SWMTKN-2-[redacted]"],
  [`swmtkn-1-${ROOT}-${SECRET}`, "swmtkn-1-[redacted]"],
  [`"SWMKEY-1-${SECRET}+/="`, '"SWMKEY-1-[redacted]"'],
  [
    `SWMTKN-1-${ROOT}-${SECRET},SWMKEY-1-x`,
    "SWMTKN-1-[redacted],SWMKEY-1-[redacted]",
  ],
  ["a token begins with SWMTKN-1-", "a token begins with SWMTKN-1-"],
  ["nothing secret", "nothing secret"],
];

Deno.test("redact() takes tokens and keys out, whole or cut short", () => {
  for (const [text, redacted] of CASES) assertEquals(redact(text), redacted);
});
