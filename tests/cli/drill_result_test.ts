import { assert, assertEquals } from "@std/assert";
import type { DrillReading } from "../../lib/cluster/drill.ts";
import {
  type DrillFacts,
  drillLines,
  judgeDrill,
} from "../../lib/cli/drill_result.ts";

const READ: DrillReading = {
  received: 600,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  longestGapMs: 120,
};

/** A minute in which everything went as it should. */
function facts(change: Partial<DrillFacts> = {}): DrillFacts {
  return {
    seconds: 60,
    workers: 1,
    lifeMs: 10_000,
    traffic: workerTraffic({}),
    renewals: new Map([["m", 8], ["w", 8]]),
    interruptions: new Map(),
    manager: "m",
    problems: [],
    ...change,
  };
}

function workerTraffic(
  change: Partial<DrillReading>,
  more: Partial<DrillFacts["traffic"]> = {},
): DrillFacts["traffic"] {
  const read = { ...READ, ...change };
  const counts = { written: 600, theirWritten: 600, theirRead: READ };
  return {
    workers: [{ node: "w", read, ...counts, ended: true }],
    refused: 0,
    issued: 18,
    ...more,
  };
}

function faults(cuts: number): Partial<DrillFacts> {
  return { faults: { seed: 7, cuts, stalls: 20, delays: 20, halfCloses: 20 } };
}

function shortly(): Partial<DrillFacts> {
  return { seconds: 15, renewals: new Map([["m", 1], ["w", 1]]) };
}

const CASES: readonly {
  readonly what: string;
  readonly change: Partial<DrillFacts>;
  readonly problems: readonly string[];
}[] = [
  { what: "a clean minute", change: {}, problems: [] },
  { what: "a hundred cuts in it", change: faults(100), problems: [] },
  {
    what: "one cut less",
    change: faults(99),
    problems: ["only 99 cuts, want 100"],
  },
  {
    what: "no cut at all",
    change: faults(0),
    problems: ["only 0 cuts, want 100"],
  },
  {
    what: "fifteen seconds with a hundred cuts",
    change: { ...faults(100), ...shortly() },
    problems: [],
  },
  {
    what: "fifteen seconds with fewer",
    change: { ...faults(42), ...shortly() },
    problems: ["only 42 cuts, want 100"],
  },
  {
    what: "an hour with a hundred cuts",
    change: { ...faults(100), seconds: 3_600 },
    problems: [],
  },
  {
    what: "a message lost",
    change: { traffic: workerTraffic({ received: 599, lost: 1 }) },
    problems: ["1 messages lost"],
  },
  {
    what: "a last message that the manager never read",
    change: { traffic: workerTraffic({ received: 599 }) },
    problems: ["1 messages lost"],
  },
  {
    what: "a last message that hides behind one that came twice",
    change: { traffic: workerTraffic({ duplicated: 1 }) },
    problems: ["1 messages lost", "1 messages duplicated"],
  },
  {
    what: "a worker that never said what it read",
    change: {
      traffic: workerTraffic({}, {
        workers: [{
          ...{ node: "w", read: READ, written: 3, theirWritten: 600 },
          ended: false,
        }],
      }),
    },
    problems: [
      "the last number of 1 workers never arrived",
      "3 messages lost",
    ],
  },
  {
    what: "a message twice",
    change: { traffic: workerTraffic({ received: 601, duplicated: 1 }) },
    problems: ["1 messages duplicated"],
  },
  {
    what: "a message out of order",
    change: { traffic: workerTraffic({ reordered: 1 }) },
    problems: ["1 messages reordered"],
  },
  {
    what: "a handshake refused",
    change: { traffic: workerTraffic({}, { refused: 1 }) },
    problems: ["1 handshakes refused"],
  },
  {
    what: "a worker without traffic",
    change: { traffic: workerTraffic({}, { workers: [] }) },
    problems: ["0 of 1 workers had traffic"],
  },
  {
    what: "a manager that never renewed",
    change: { renewals: new Map([["w", 8]]) },
    problems: ["the manager's certificate was never renewed"],
  },
  {
    what: "a worker that renewed too seldom",
    change: { renewals: new Map([["m", 8], ["w", 2]]) },
    problems: ["w renewed 2 times, want 3"],
  },
  {
    what: "a session that was interrupted",
    change: { interruptions: new Map([["w", 1]]) },
    problems: ["w lost its session 1 times"],
  },
  {
    what: "a process that failed",
    change: { problems: ["worker-0 ended with 1"] },
    problems: ["worker-0 ended with 1"],
  },
];

for (const { what, change, problems } of CASES) {
  Deno.test(`judgeDrill() of ${what}: ${problems[0] ?? "clean"}`, () => {
    const result = judgeDrill(facts(change));
    assertEquals(result.problems, problems);
    assertEquals(result.clean, problems.length === 0);
  });
}

Deno.test("drillLines() and the result say how often connections were cut", () => {
  const result = judgeDrill(facts(faults(140)));
  assertEquals(result.faults?.["cuts"], 140);
  const line = drillLines(result).find((each) => each.startsWith("faults"));
  assertEquals(
    line,
    "faults               140 cuts, 20 stalls, 20 delays, 20 half-closes (seed 7)",
  );
});

Deno.test("drillLines() ends with the verdict", () => {
  assertEquals(
    drillLines(judgeDrill(facts())).at(-1),
    "clean: nothing was lost in 60 s",
  );
  const last = drillLines(judgeDrill(facts(faults(3)))).at(-1) ?? "";
  assert(last.startsWith("NOT clean: only 3 cuts, want 100"), last);
});
