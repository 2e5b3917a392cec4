import { assertEquals } from "@std/assert";
import { killAt, recordWrites, type Run } from "./kill_at.ts";
import { labelOf, pointsToTry, type WritePoint } from "./write_points.ts";

/** What is killed over and over, and looked at each time. */
export interface Scenario extends AsyncDisposable {
  /** The next run; what an earlier one left behind is no part of it. */
  prepare(): Promise<Run>;
  /**
   * Looks at what a run left that was killed, or not, and that all can go on.
   *
   * @returns what it found, for the report
   */
  check(): Promise<string>;
  /** Looks at the whole, at the end. */
  finish?(): Promise<void>;
}

/** Runs at a time: one for each core of a small machine. */
const LANES = 2;
const MAX_TRIES = 3;

/**
 * Records the writes of a run, then kills further runs at each of them, and
 * says at which.
 *
 * @param name what it is that is killed
 * @param open a scenario of its own for each lane
 */
export async function killAtEveryWrite(
  name: string,
  open: () => Promise<Scenario>,
): Promise<void> {
  const started = performance.now();
  await using lanes = await Lanes.open(open);
  const points = await lanes.record();
  const report = await lanes.kill(pointsToTry(points));
  const seconds = Math.round((performance.now() - started) / 1_000);
  say(`${name}: ${points.length} writes; ${report.text}; ${seconds} s`);
  const missed = new Set(points.map(labelOf)).difference(report.labels);
  assertEquals(missed, new Set());
}

/** Scenarios that go on at the same time. */
class Lanes implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #scenarios: readonly Scenario[];

  constructor(
    stack: AsyncDisposableStack,
    scenarios: readonly Scenario[],
  ) {
    this.#stack = stack;
    this.#scenarios = scenarios;
  }

  static async open(open: () => Promise<Scenario>): Promise<Lanes> {
    await using stack = new AsyncDisposableStack();
    const scenarios: Scenario[] = [];
    for (let i = 0; i < LANES; i++) scenarios.push(stack.use(await open()));
    return new Lanes(stack.move(), scenarios);
  }

  async record(): Promise<WritePoint[]> {
    const [first] = this.#scenarios;
    if (!first) return [];
    const points = await recordWrites(await first.prepare());
    await first.check();
    return points;
  }

  /** @throws the first failure, after the other lanes have come to a halt */
  async kill(points: readonly WritePoint[]): Promise<Report> {
    const report = new Report();
    const todo = [...points];
    const ends = await Promise.allSettled(
      this.#scenarios.map(async (scenario) => {
        for (let point; (point = todo.shift());) {
          try {
            report.add(point, await killOnce(scenario, point));
          } catch (error) {
            todo.length = 0;
            throw error;
          }
        }
        await scenario.finish?.();
      }),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** @returns what was found; nothing when it could not be killed there */
async function killOnce(
  scenario: Scenario,
  point: WritePoint,
): Promise<string | undefined> {
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    try {
      const killed = await killAt(await scenario.prepare(), point);
      const found = await scenario.check();
      if (killed) return found;
    } catch (cause) {
      const where = `${labelOf(point)}, number ${point.nth}`;
      throw new Error(`Killed at ${where}`, { cause });
    }
  }
  return undefined;
}

/** Where runs were killed, and what was found then. */
class Report {
  readonly #kills = new Map<string, number>();
  readonly #found = new Map<string, number>();
  readonly #missed: string[] = [];

  add(point: WritePoint, found: string | undefined): void {
    const label = labelOf(point);
    if (found === undefined) this.#missed.push(`${label} ${point.nth}`);
    else {
      count(this.#kills, label);
      count(this.#found, found);
    }
  }

  /** Of points that a run was killed at. */
  get labels(): Set<string> {
    return new Set(this.#kills.keys());
  }

  get text(): string {
    const kills = this.#kills.values().reduce((sum, each) => sum + each, 0);
    const missed = this.#missed.length > 0 ? `; missed: ${this.#missed}` : "";
    const lines = this.#kills.entries().map(([label, n]) =>
      `\n  ${n} ${label}`
    );
    return `killed at ${kills}${[...lines].join("")}${missed}\n  found: ${
      [...this.#found].map(([what, n]) => `${n} ${what}`).join(", ")
    }`;
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** To whoever watches the tests. */
function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}
