import { assertEquals, assertStringIncludes } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type {
  RehearsalSummary,
  RotationSummary,
} from "../../lib/cluster/local_api.ts";
import { answerLocally } from "../../lib/rpc/local_answer.ts";
import { FakeDaemon } from "./fake_daemon.ts";
import type { Outcome } from "./fake_host.ts";

const NOW = Date.UTC(2026, 0, 1, 12);
const AT = "2026-01-01T11:00:00.000Z";
const LATE = [{ node: "w1", reason: "down since 2026-01-01T10:00:00Z" }];

type Last = NonNullable<RotationSummary["lastRotation"]>;

function ended(id: string, outcome: Last["outcome"]): Last {
  const root = outcome === "finished" ? "new" : "old";
  return { id, outcome, root, at: AT, stragglers: [], before: [] };
}

function stable(lastRotation?: Last): RotationSummary {
  const nobody = { done: 0, total: 0, stragglers: [] };
  const last = lastRotation && { lastRotation };
  return { phase: "stable", root: "new", ...nobody, ...last };
}

function running(
  id: string,
  change: Partial<RotationSummary> = {},
): RotationSummary {
  return {
    ...{ phase: "renewing", id, root: "old", target: "new" },
    ...{ done: 1, total: 2, stragglers: LATE, startedAt: AT, deadline: AT },
    ...change,
  };
}

/** A manager whose rotation goes through these states, one a look. */
async function scripted(
  states: readonly (RotationSummary | SwarmdError)[],
  line: string,
): Promise<Outcome & { readonly lines: readonly unknown[] }> {
  let at = 0;
  await using daemon = await FakeDaemon.answers((request) =>
    answerLocally(request, (path) => {
      if (path !== "/v1/ca/status") return undefined;
      const state = states[Math.min(at++, states.length - 1)];
      if (state instanceof SwarmdError) throw state;
      return state;
    }, {
      "/v1/ca/rotate": () => states[0],
      "/v1/ca/cut-off": () => ({
        ...{ root: "new", carried: ["w2"], left: ["w1"], stragglers: LATE },
      }),
    })
  );
  const outcome = await daemon.run(line, NOW);
  const lines = outcome.stdout.trim().split("\n")
    .map((each) => each.startsWith("{") ? JSON.parse(each) : each);
  return { ...outcome, lines };
}

function phase(change: Record<string, unknown> = {}) {
  const progress = { done: 1, total: 2, stragglers: LATE };
  return { event: "phase", phase: "renewing", ...progress, ...change };
}

Deno.test("ca rotate ends with whom the rotation was finished without", async () => {
  const all = { ...ended("A", "finished"), stragglers: LATE, more: 2 };
  const states = [running("A"), running("A"), stable(all)];
  const { code, lines } = await scripted(states, "ca rotate --json");
  const finished = { event: "finished", rootDigest: "new", stragglers: LATE };
  assertEquals(code, 0);
  assertEquals(lines, [phase(), { ...finished, more: 2 }]);
  const people = await scripted(states, "ca rotate");
  assertEquals(people.lines, [
    "renewing: 1 of 2",
    "  w1  down since 2026-01-01T10:00:00Z",
    "finished: the root is new",
    "3 left behind",
    "  w1  down since 2026-01-01T10:00:00Z",
    "  and 2 more",
  ]);
});

Deno.test("ca rotate tells an abort from an end by the rotation's id, whatever the root is now", async () => {
  const aborted = ended("A", "aborted");
  // Another one has begun, or ended, since
  const later = { ...ended("C", "finished"), before: [aborted] };
  const cases: readonly RotationSummary[] = [
    stable(aborted),
    running("C", { lastRotation: aborted }),
    stable(later),
  ];
  for (const end of cases) {
    const states = [running("A"), end];
    const { code, lines } = await scripted(states, "ca rotate --json");
    assertEquals([code, lines.at(-1)], [
      21,
      { event: "aborted", rootDigest: "old" },
    ]);
  }
});

Deno.test("ca status --watch follows the rotation that takes the place of the one it watches", async () => {
  const replaced = ended("A", "replaced");
  const again = { ...ended("B", "replaced"), before: [replaced] };
  const done = {
    ...{ ...ended("C", "finished"), stragglers: LATE },
    before: [ended("B", "replaced"), replaced],
  };
  const states = [
    running("A"),
    running("A"),
    running("B", { lastRotation: replaced }),
    running("C", { lastRotation: again, phase: "trusting" }),
    stable(done),
  ];
  const { code, lines } = await scripted(
    ...[states, "ca status --watch --json"] as const,
  );
  assertEquals(code, 0);
  assertEquals(lines, [
    phase(),
    { event: "replaced", by: "B" },
    phase(),
    { event: "replaced", by: "C" },
    phase({ phase: "trusting" }),
    { event: "finished", rootDigest: "new", stragglers: LATE },
  ]);
  // All of it while it did not look
  const away = [running("A"), stable(done)];
  const late = await scripted(away, "ca rotate");
  assertEquals(late.lines.slice(2, 5), [
    "replaced by a newer rotation; following that one",
    "replaced by a newer rotation; following that one",
    "finished: the root is new",
  ]);
});

Deno.test("ca status --watch outlasts a manager that restarts, and gives up when nobody remembers", async () => {
  const gone = new SwarmdError("unreachable", "It restarts");
  const states = [running("A"), gone, gone, stable(ended("A", "finished"))];
  const { code, stderr } = await scripted(states, "ca rotate --json");
  assertEquals(code, 0);
  assertEquals(stderr.match(/The manager does not answer/g)?.length, 1);
  const forgotten = [running("A"), stable(ended("Z", "finished"))];
  const lost = await scripted(forgotten, "ca rotate --json");
  assertEquals(lost.code, 18);
  assertStringIncludes(lost.stderr, "swarmd audit tail");
});

Deno.test("ca status shows alarms, and how the last rotation ended", async () => {
  const alarms = ["The deadline passed"];
  const late = await scripted([running("A", { alarms })], "ca status");
  assertEquals(late.lines, [
    "phase     renewing",
    "root      old",
    "target    new",
    "done      1 of 2",
    "started   2026-01-01T11:00:00Z (1h ago)",
    "deadline  2026-01-01T11:00:00Z (1h ago)",
    "ALARM     The deadline passed",
    "  w1  down since 2026-01-01T10:00:00Z",
  ]);
  const watched = [
    running("A", { alarms }),
    running("A", { alarms }),
    stable(ended("A", "aborted")),
  ];
  const { lines } = await scripted(watched, "ca status --watch --json");
  assertEquals(lines[0], phase({ alarms }));
  const last = { ...ended("A", "finished"), stragglers: LATE };
  const quiet = await scripted([stable(last)], "ca status");
  assertEquals(quiet.lines, [
    "phase  stable",
    "root   new",
    "last   finished 2026-01-01T11:00:00Z (1h ago)",
    "1 left behind",
    "  w1  down since 2026-01-01T10:00:00Z",
  ]);
});

Deno.test("ca status --json has the same fields, and --watch the same events, when no rotation is under way", async () => {
  const { lines } = await scripted([stable()], "ca status --json");
  const none = { id: null, target: null, startedAt: null, deadline: null };
  assertEquals(lines, [{ ...stable(), ...none }]);
  const begun = await scripted([running("A")], "ca status --json");
  assertEquals(begun.lines, [running("A")]);
  const watched = await scripted([stable()], "ca status --watch --json");
  const nobody = { done: 0, total: 0, stragglers: [] };
  assertEquals([watched.code, watched.lines], [0, [
    phase({ phase: "stable", ...nobody }),
  ]]);
});

Deno.test("ca rotate --compromised names who is carried over, and who has to join again and why", async () => {
  const { code, lines } = await scripted(
    [stable()],
    "ca rotate --compromised --json",
  );
  assertEquals([code, lines], [0, [{
    ...{ event: "finished", rootDigest: "new" },
    ...{ carried: ["w2"], left: ["w1"], stragglers: LATE },
  }]]);
});

Deno.test("ca rotate --dry-run takes what a rotation takes, and fails by what is in its way", async () => {
  const good: RehearsalSummary = { ready: 2, problems: [], absent: [] };
  const cases: readonly [RehearsalSummary, number][] = [
    [{ ...good, target: "sha256:aa" }, 0],
    [{ ...good, problems: LATE }, 17],
    [{ ...good, obstacle: "it allows no authority below it" }, 17],
  ];
  for (const [summary, code] of cases) {
    const bodies: unknown[] = [];
    await using daemon = await FakeDaemon.answers((request) =>
      answerLocally(request, () => undefined, {
        "/v1/ca/rehearse": (body) => {
          bodies.push(body);
          return summary;
        },
      })
    );
    const dir = await Deno.makeTempDir({ prefix: "swarmd-cli-" });
    const [cert, key] = [`${dir}/ca.pem`, `${dir}/ca.key`];
    await Deno.writeFile(cert, utf8("C"));
    await Deno.writeFile(key, utf8("K"), { mode: 0o600 });
    const outcome = await daemon.run(
      `ca rotate --dry-run --trust-first --quorum 50 --json --ca-cert ${cert} --ca-key ${key}`,
    );
    await Deno.remove(dir, { recursive: true });
    assertEquals(outcome.code, code, outcome.stderr);
    assertEquals(JSON.parse(outcome.stdout), summary);
    assertEquals(bodies, [{
      ...{ quorum: 0.5, trustFirst: true },
      authority: { certificatesPem: "C", keyPem: "K" },
    }]);
  }
});
