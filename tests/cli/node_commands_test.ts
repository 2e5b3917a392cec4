import { assertEquals } from "@std/assert";
import type { NodeDetail, NodeSummary } from "../../lib/cluster/local_nodes.ts";
import { FakeDaemon } from "./fake_daemon.ts";

const NOW = Date.UTC(2026, 0, 1, 12);
const CERTIFICATE = {
  serial: "4f2c",
  notBefore: "2026-01-01T10:00:00Z",
  notAfter: "2026-01-11T12:00:00Z",
  issuer: "CN=swarm-ca",
  fingerprint256: "ab".repeat(32),
  keyFingerprint256: "cd".repeat(32),
  issuerKeyId: "0a0b",
  role: "worker",
  issuedAt: "2026-01-01T11:00:00.000Z",
  chain: ["AAAA", "BBBB"],
} as const;
const SUMMARY: NodeSummary = {
  id: "1".repeat(25),
  hostname: "edge",
  role: "worker",
  status: "ready",
  address: "10.0.0.9",
  version: "0.1.0",
  certificate: CERTIFICATE,
  trustRoot: "sha256:aa",
  lastSeen: "2026-01-01T12:00:00.000Z",
};
const DETAIL: NodeDetail = {
  ...SUMMARY,
  certificate: CERTIFICATE,
  os: "linux",
  arch: "x86_64",
  createdAt: "2025-12-31T12:00:00.000Z",
  admission: "active",
  admitted: { by: "token", token: "t1" },
  trusts: "sha256:bb",
  recoveries: [],
};

async function shown(line: string, answer: unknown): Promise<string[]> {
  await using daemon = await FakeDaemon.knows(() => answer);
  const { code, stdout, stderr } = await daemon.run(line, NOW);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n");
}

Deno.test("node inspect shows a node in groups", async () => {
  assertEquals(await shown("node inspect 1111", DETAIL), [
    "id         1111111111111111111111111",
    "hostname   edge",
    "role       worker",
    "status     ready",
    "address    10.0.0.9",
    "platform   linux x86_64",
    "version    0.1.0",
    "last seen  2026-01-01T12:00:00Z (now)",
    "",
    "admission",
    "  state       active",
    "  let in      by token t1",
    "  created     2025-12-31T12:00:00Z (1d ago)",
    "  first seen  never",
    "  recoveries  none",
    "",
    "trust",
    "  root    sha256:aa",
    "  bundle  sha256:bb",
    "",
    "certificate",
    "  serial       4f2c",
    "  role         worker",
    "  issuer       CN=swarm-ca",
    "  issuer key   0a0b",
    "  issued       2026-01-01T11:00:00Z (1h ago)",
    "  not before   2026-01-01T10:00:00Z (2h ago)",
    "  not after    2026-01-11T12:00:00Z (in 10d)",
    `  fingerprint  ${"ab".repeat(32)}`,
    `  key          ${"cd".repeat(32)}`,
    "  chain        1 sent after it",
  ]);
});

const ELSE: readonly [Partial<NodeDetail>, string[]][] = [
  [{ hostname: "evil\x1b[2J" }, ["hostname   evil\\u001b[2J"]],
  [{ hostname: "", os: "", arch: "", version: "", address: "" }, [
    "hostname   -",
    "platform   -",
    "version    -",
    "address    -",
  ]],
  [
    { status: "down", downSince: "2026-01-01T11:00:00.000Z" },
    ["status     down since 2026-01-01T11:00:00Z (1h ago)"],
  ],
  [
    { problem: "disk full" },
    ["problem    renewal failing: disk full"],
  ],
  [
    {
      status: "conflict",
      admission: "conflict",
      conflict: {
        since: "2026-01-01T11:00:00.000Z",
        addresses: ["10.0.0.2", "10.0.0.1"],
      },
    },
    [
      "status     conflict since 2026-01-01T11:00:00Z (1h ago)",
      "used from  10.0.0.2 and 10.0.0.1",
      "  state       conflict",
    ],
  ],
  [{ lastSeen: null }, ["last seen  never"]],
  [
    { lastSeen: null, firstSeen: "2025-12-31T12:00:00.000Z" },
    [
      "last seen  not since the manager started",
      "  first seen  2025-12-31T12:00:00Z (1d ago)",
    ],
  ],
  [
    { clockSkewMs: -90_000 },
    ["clock      1m30s behind the manager's"],
  ],
  [{ admitted: { by: "init" } }, ["  let in      as the cluster was made"]],
  [
    { admitted: { by: "token", token: "t1", approved: true } },
    ["  let in      by token t1, and accepted by an operator"],
  ],
  [
    { recoveries: ["2026-01-01T10:00:00.000Z", "2026-01-01T11:00:00.000Z"] },
    ["  recoveries  2, the last 2026-01-01T11:00:00Z (1h ago)"],
  ],
  [{ trusts: null }, ["  bundle  not said, or none of this cluster's"]],
  [{ pending: CERTIFICATE }, ["pending"]],
  [
    { previous: { ...CERTIFICATE, until: "2026-01-01T12:05:00.000Z" } },
    ["previous", "  accepted until  2026-01-01T12:05:00Z (in 5m)"],
  ],
];

Deno.test("node inspect shows what else there may be to a node", async () => {
  for (const [change, lines] of ELSE) {
    const all = await shown("node inspect 1111", { ...DETAIL, ...change });
    for (const line of lines) {
      const found = all.find((each) => same(each, line));
      assertEquals(found === undefined ? all : line, line);
    }
  }
});

/** However wide the names are. */
function same(a: string, b: string): boolean {
  const plain = (text: string) => text.trim().replace(/ {2,}/g, "  ");
  return plain(a) === plain(b);
}

Deno.test("node ls has columns for conflicts and problems only where there are some", async () => {
  const other = { ...SUMMARY, id: "2".repeat(25) };
  const troubled: NodeSummary = {
    ...other,
    status: "conflict",
    conflict: {
      since: "2026-01-01T11:00:00.000Z",
      addresses: ["10.0.0.2", "10.0.0.1"],
    },
    problem: "x".repeat(100),
  };
  assertEquals(await shown("node ls", [SUMMARY, other]), [
    "ID                         HOSTNAME  ROLE    STATUS  SEEN  EXPIRES",
    "1111111111111111111111111  edge      worker  ready   now   in 10d",
    "2222222222222222222222222  edge      worker  ready   now   in 10d",
  ]);
  assertEquals(await shown("node ls", [SUMMARY, troubled]), [
    "ID                         HOSTNAME  ROLE    STATUS    SEEN  EXPIRES  USED FROM           PROBLEM",
    "1111111111111111111111111  edge      worker  ready     now   in 10d   -                   -",
    `2222222222222222222222222  edge      worker  conflict  now   in 10d   10.0.0.2, 10.0.0.1  ${
      "x".repeat(57)
    }...`,
  ]);
});

Deno.test("node ls says when a node was seen last, as far as that is known", async () => {
  const cases: [Partial<NodeSummary>, string][] = [
    [{ lastSeen: "2026-01-01T11:00:00.000Z" }, "1h ago"],
    [{ lastSeen: null, status: "joining" }, "never"],
    [{ lastSeen: null, status: "unknown" }, "-"],
    [
      {
        lastSeen: null,
        status: "down",
        downSince: "2026-01-01T11:00:00.000Z",
      },
      "before 1h ago",
    ],
  ];
  for (const [change, seen] of cases) {
    const [heading = "", line = ""] = await shown("node ls", [
      { ...SUMMARY, ...change },
    ]);
    const at = heading.indexOf("SEEN");
    assertEquals(line.slice(at).split("  ")[0], seen);
  }
});
