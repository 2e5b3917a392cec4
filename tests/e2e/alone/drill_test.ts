// deno-lint-ignore-file no-console -- tells the seed and what was counted
import { assert, assertEquals } from "@std/assert";
import type { DrillResult } from "../../../lib/cli/drill_result.ts";
import { swarmd } from "../harness.ts";

const WORKERS = 3;
const LASTS_MS = 90_000;
/** Where two cores are busy with other tests, a gap may be as long. */
const MAX_GAP_MS = 10_000;

/** Runs a drill, and gives the object that it writes. */
async function drill(
  lasts: string,
  ...more: readonly string[]
): Promise<DrillResult> {
  const { code, stdout, stderr } = await swarmd(
    ["drill", "--json", `--for=${lasts}`, `--workers=${WORKERS}`, ...more],
    { timeoutMs: LASTS_MS },
  );
  console.log(stdout.trim());
  const result: DrillResult = JSON.parse(stdout);
  assertEquals(code, 0, `${stdout}${stderr}`);
  assertEquals(result.clean, true, stdout);
  assertEquals(result.problems, []);
  return result;
}

/** What every drill must count, whatever happened to its connections. */
function assertLossless(result: DrillResult): void {
  const { sent, received, ...wrong } = result.messages;
  assertEquals(received, sent);
  assertEquals(wrong, { lost: 0, duplicated: 0, reordered: 0 });
  assert(sent > WORKERS * 100, `${sent} messages`);
  assert(result.longestGapMs < MAX_GAP_MS, `${result.longestGapMs} ms`);
  assertEquals(result.nodes.length, WORKERS);
  assert(result.managerRenewals >= 2);
  for (const { renewals, interruptions } of result.nodes) {
    assert(renewals >= 2, `${renewals} renewals`);
    assertEquals(interruptions, 0);
  }
}

Deno.test("sessions survive every renewal of workers and manager, and nobody is refused", async () => {
  const result = await drill("20s");
  assertLossless(result);
  assertEquals(result.handshakesRefused, 0);
});

Deno.test("sessions survive cuts, stalls, delays and half-closes, at least a hundred cuts", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  console.log(`seed ${seed}`);
  const result = await drill("25s", `--faults=${seed}`);
  assertLossless(result);
  assertEquals(result.faults?.seed, seed);
  const cuts = result.faults?.["cuts"] ?? 0;
  assert(cuts >= 100, `${cuts} cuts`);
});
