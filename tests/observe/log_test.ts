import { assert, assertEquals } from "@std/assert";
import type { Logger } from "../../lib/base/logger.ts";
import { createLogger } from "../../lib/observe/log.ts";
import type { LogFormat, LogLevel } from "../../lib/observe/log_settings.ts";
import { LOG_LEVELS } from "../../lib/observe/log_settings.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const TOKEN = `SWMTKN-1-${"a".repeat(50)}-${"b".repeat(25)}`;

interface Captured {
  readonly logger: Logger;
  readonly lines: string[];
}

function capture(format: LogFormat, level: LogLevel = "debug"): Captured {
  const lines: string[] = [];
  const post = (line: string) => lines.push(line) > 0;
  const logger = createLogger({ format, level, now: () => NOW, post });
  return { logger, lines };
}

const TEXT_CASES: readonly [
  fields: Record<string, unknown>,
  shown: string,
][] = [
  [{}, ""],
  [{ node: "abc", port: 2377, ok: true }, " node=abc port=2377 ok=true"],
  [{ why: "two words", empty: "" }, ' why="two words" empty=""'],
  [{ why: 'a "quote"' }, ' why="a \\"quote\\""'],
  [{ list: [1, 2], none: null, absent: undefined }, " list=[1,2] none=null"],
  [
    { error: new Error("low", { cause: new Error("lower") }) },
    ' error="low: lower"',
  ],
  [
    { nested: { error: new Error("low"), big: 5n } },
    ' nested={"error":"low","big":"5"}',
  ],
  [
    { hostname: "evil\n2026 error forged" },
    ' hostname="evil\\n2026 error forged"',
  ],
  [{ hostname: "\x1b[31m" }, " hostname=\\u001b[31m"],
  [{ "a\nb": 1 }, " a\\u000ab=1"],
];

Deno.test("createLogger() writes a text line with its fields", () => {
  for (const [fields, shown] of TEXT_CASES) {
    const { logger, lines } = capture("text");
    logger.warn("Worker left", fields);
    assertEquals(lines, [
      `2026-01-02T03:04:05.006Z warn  Worker left${shown}\n`,
    ]);
  }
});

Deno.test("createLogger() writes one JSON object a line", () => {
  const { logger, lines } = capture("json");
  logger.error("Cannot\nserve", {
    node: "abc",
    level: "forged",
    at: 1,
    big: 5n,
  });
  assertEquals(lines.length, 1);
  assert(lines[0]?.endsWith("}\n"));
  assertEquals(lines[0]?.split("\n").length, 2);
  assertEquals(JSON.parse(lines[0] ?? ""), {
    at: "2026-01-02T03:04:05.006Z",
    level: "error",
    message: "Cannot\nserve",
    node: "abc",
    big: "5",
  });
});

Deno.test("createLogger() does not take a text as a template", () => {
  const { logger, lines } = capture("text");
  logger.info("Read {hostname} and {{braces}} of %s", { hostname: "h" });
  assertEquals(lines, [
    "2026-01-02T03:04:05.006Z info  Read {hostname} and {{braces}} of %s hostname=h\n",
  ]);
});

Deno.test("createLogger() never lets a secret out", () => {
  for (const format of ["text", "json"] as const) {
    const { logger, lines } = capture(format);
    logger.error(`Token ${TOKEN}`, {
      token: TOKEN,
      deep: { list: [TOKEN] },
      error: new Error(`about ${TOKEN}`),
    });
    const text = lines.join("");
    assert(!text.includes("aaaa") && !text.includes("bbbb"), text);
    assertEquals(text.match(/SWMTKN-1-\[redacted\]/g)?.length, 4);
  }
});

Deno.test("createLogger() logs from the level on", () => {
  for (const [at, level] of LOG_LEVELS.entries()) {
    const { logger, lines } = capture("json", level);
    for (const each of LOG_LEVELS) logger[each]("text");
    const levels = lines.map((line) => JSON.parse(line).level);
    assertEquals(levels, LOG_LEVELS.slice(at));
  }
});

Deno.test("createLogger() survives fields that cannot be written", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const angry = {
    toJSON() {
      throw new Error("no");
    },
  };
  for (const format of ["text", "json"] as const) {
    const { logger, lines } = capture(format);
    logger.info("Odd", { cycle, angry, call: () => {}, symbol: Symbol("s") });
    assertEquals(lines.length, 1);
  }
});

Deno.test("createLogger() says with the next line how many were dropped", () => {
  const lines: string[] = [];
  let open = true;
  const post = (line: string) => open && lines.push(line) > 0;
  const logger = createLogger({
    format: "json",
    level: "info",
    now: () => NOW,
    post,
  });
  logger.info("one");
  open = false;
  logger.info("two");
  logger.info("three");
  open = true;
  logger.info("four");
  logger.info("five");
  assertEquals(lines.map((line) => JSON.parse(line).message), [
    "one",
    "four",
    "five",
  ]);
  assertEquals(lines.map((line) => JSON.parse(line).dropped), [
    undefined,
    2,
    undefined,
  ]);
});
