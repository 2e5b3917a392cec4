import { assertEquals, assertStringIncludes } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import type {
  CaSummary,
  JoiningStatus,
  ManagerStatus,
  WorkerStatus,
} from "../../lib/cluster/local_api.ts";
import type { NodeDetail, NodeSummary } from "../../lib/cluster/local_nodes.ts";
import { FakeDaemon } from "./fake_daemon.ts";
import { runLine } from "./fake_host.ts";

const NOW = Date.UTC(2026, 0, 1, 12);
const CERTIFICATE = {
  serial: "4f2c",
  notBefore: "2026-01-01T10:00:00Z",
  notAfter: "2026-01-11T12:00:00Z",
  issuer: "CN=swarm-ca",
  fingerprint256: "ab".repeat(32),
};
const MANAGER: NodeSummary = {
  id: "0".repeat(25),
  hostname: "m1",
  role: "manager",
  status: "ready",
  address: "10.0.0.5:2377",
  version: "0.1.0",
  certificate: CERTIFICATE,
  trustRoot: "sha256:aa",
  lastSeen: "2026-01-01T12:00:00.000Z",
};
const DETAIL = {
  ...CERTIFICATE,
  keyFingerprint256: "cd".repeat(32),
  issuerKeyId: "0a0b",
  role: "worker",
  issuedAt: "2026-01-01T11:00:00.000Z",
} as const;
const WORKER: NodeDetail = {
  ...MANAGER,
  id: "1".repeat(25),
  hostname: "evil\x1b[2J",
  role: "worker",
  status: "down",
  lastSeen: "2026-01-01T11:58:30.000Z",
  clockSkewMs: -90_000,
  os: "linux",
  arch: "x86_64",
  createdAt: "2025-12-31T12:00:00.000Z",
  admission: "active",
  admitted: { by: "token", token: "t1" },
  trusts: null,
  recoveries: [],
  certificate: DETAIL,
};
const FRESH: NodeSummary = {
  ...MANAGER,
  id: "2".repeat(25),
  hostname: "",
  role: "worker",
  status: "joining",
  address: "",
  version: "",
  lastSeen: null,
};
const MANAGER_STATUS: ManagerStatus = {
  role: "manager",
  state: "serving",
  since: "2026-01-01T11:00:00.000Z",
  node: MANAGER.id,
  cluster: "c".repeat(25),
  version: "0.1.0",
  listen: "0.0.0.0:2377",
  managers: ["10.0.0.5:2377", "[2001:db8::5]:2377"],
  drill: false,
  nodes: { ready: 2, down: 1, joining: 0 },
  alarms: ["The authority ends soon"],
  certificate: CERTIFICATE,
  renewal: { state: "idle", dueAt: "2026-01-07T00:00:00.000Z", failures: 0 },
  clock: {},
  trustRoot: "sha256:aa",
};
const WORKER_STATUS: WorkerStatus = {
  role: "worker",
  state: "connecting",
  node: WORKER.id,
  cluster: "c".repeat(25),
  version: "0.1.0",
  lastError: "Cannot reach 10.0.0.5:2377: connection refused",
  managers: ["10.0.0.5:2377"],
  certificate: CERTIFICATE,
  renewal: {
    state: "due",
    dueAt: "2026-01-01T11:00:00.000Z",
    failures: 3,
    lastError: "Cannot renew: no session",
    lastAt: "2026-01-01T11:59:00.000Z",
  },
  clock: { skewMs: 1_500, checkedAt: "2026-01-01T11:00:00.000Z" },
  trustRoot: "sha256:aa",
};
const CA: CaSummary = {
  rootDigest: "sha256:aa",
  pem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  notAfter: "2046-01-01T00:00:00Z",
  generation: 1,
};
const ANSWERS: Readonly<Record<string, unknown>> = {
  "/v1/nodes": [MANAGER, WORKER, FRESH],
  [`/v1/nodes/${"1".repeat(4)}`]: WORKER,
  "/v1/tokens/worker": { token: "SWMTKN-1-root-secret" },
  "/v1/tokens/manager": { token: "SWMTKN-1-root-other" },
  "/v1/ca": CA,
  "/v1/status": { ...MANAGER_STATUS, ofANewerVersion: true },
};

function text(...lines: string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

const HUMAN: readonly [line: string, stdout: string][] = [
  [
    "node ls",
    text(
      "ID                         HOSTNAME       ROLE     STATUS   SEEN       EXPIRES  CLOCK",
      "0000000000000000000000000  m1             manager  ready    now        in 10d   -",
      "1111111111111111111111111  evil\\u001b[2J  worker   down     1m30s ago  in 10d   -1m30s",
      "2222222222222222222222222  -              worker   joining  never      in 10d   -",
    ),
  ],
  [
    "token show worker",
    text(
      "SWMTKN-1-root-secret",
      "",
      "To add a worker, put this token in a file on its machine and run there:",
      "  swarmd worker join --token-file FILE 10.0.0.5:2377 [2001:db8::5]:2377",
    ),
  ],
  ["token show worker -q", text("SWMTKN-1-root-secret")],
  ["token show manager", text("SWMTKN-1-root-other")],
  [
    "ca show",
    text(
      "root        sha256:aa",
      "generation  1",
      "not after   2046-01-01T00:00:00Z (in 7304d12h)",
      "",
      "-----BEGIN CERTIFICATE-----",
      "AAAA",
      "-----END CERTIFICATE-----",
    ),
  ],
  [
    "status",
    text(
      "role         manager",
      "node         0000000000000000000000000",
      "cluster      ccccccccccccccccccccccccc",
      "state        serving, since 2026-01-01T11:00:00Z (1h ago)",
      "managers     10.0.0.5:2377 [2001:db8::5]:2377",
      "listens on   0.0.0.0:2377",
      "nodes        3 (2 ready, 1 down)",
      "ALARM        The authority ends soon",
      "trust root   sha256:aa",
      "serial       4f2c",
      "issuer       CN=swarm-ca",
      "not before   2026-01-01T10:00:00Z (2h ago)",
      "not after    2026-01-11T12:00:00Z (in 10d)",
      `fingerprint  ${"ab".repeat(32)}`,
      "renewal      idle, due 2026-01-07T00:00:00Z (in 5d12h)",
      "clock        its own",
      "version      0.1.0",
    ),
  ],
];

Deno.test("operator commands show what the local node answers", async () => {
  await using daemon = await FakeDaemon.knows((path) => ANSWERS[path]);
  for (const [line, stdout] of HUMAN) {
    const outcome = await daemon.run(line, NOW);
    assertEquals(outcome, { code: 0, stdout, stderr: "" }, line);
  }
});

Deno.test("operator commands write with --json what the node answers, on one line", async () => {
  await using daemon = await FakeDaemon.knows((path) => ANSWERS[path]);
  const cases: [line: string, value: unknown][] = [
    ["node ls", ANSWERS["/v1/nodes"]],
    ["node inspect 1111", WORKER],
    [
      "token show worker",
      { role: "worker", token: "SWMTKN-1-root-secret" },
    ],
    ["ca show", CA],
    ["status", ANSWERS["/v1/status"]],
  ];
  for (const [line, value] of cases) {
    const { code, stdout, stderr } = await daemon.run(`${line} --json`, NOW);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.indexOf("\n"), stdout.length - 1);
    assertEquals(JSON.parse(stdout), value);
  }
});

Deno.test("status says of a machine that is joining what it waits for", async () => {
  const joining: JoiningStatus = {
    role: "worker",
    state: "joining",
    since: "2026-01-01T11:00:00.000Z",
    version: "0.1.0",
    managers: ["10.0.0.5:2377", "[2001:db8::5]:2377"],
  };
  const pending = { node: WORKER.id, fingerprint: "ab".repeat(32) };
  let now = joining;
  await using daemon = await FakeDaemon.knows(() => now);
  const shown = async () =>
    (await daemon.run("status", NOW)).stdout.trim().split("\n");
  const first = [
    "role      worker",
    "state     joining, since 2026-01-01T11:00:00Z (1h ago)",
    "managers  10.0.0.5:2377 [2001:db8::5]:2377",
    "version   0.1.0",
  ];
  assertEquals(await shown(), first);
  now = { ...joining, pending };
  const [role = "", state = "", ...rest] = first.map((line) =>
    line.replace("  ", "   ")
  );
  assertEquals(await shown(), [
    role,
    state,
    "waits for  an operator's word: `swarmd node accept` on a manager",
    `as node    ${pending.node}`,
    `key        ${pending.fingerprint}`,
    ...rest,
  ]);
});

Deno.test("status of a worker shows why it has no session and no new certificate", async () => {
  await using daemon = await FakeDaemon.knows(() => WORKER_STATUS);
  const { code, stdout } = await daemon.run("status", NOW);
  assertEquals(code, 0);
  for (
    const line of [
      "state         connecting",
      "because       Cannot reach 10.0.0.5:2377: connection refused",
      "renewal       due, due 2026-01-01T11:00:00Z (1h ago)",
      "failures      3 in a row, last 2026-01-01T11:59:00Z (1m ago)",
      "last failure  Cannot renew: no session",
      "clock         2s ahead of the manager's, checked 2026-01-01T11:00:00Z (1h ago)",
    ]
  ) {
    assertStringIncludes(stdout, `${line}\n`);
  }
});

Deno.test("status of a worker that is connected names its manager", async () => {
  await using daemon = await FakeDaemon.knows(() => ({
    ...WORKER_STATUS,
    state: "connected",
    manager: "10.0.0.5:2377",
    since: "2026-01-01T11:00:00.000Z",
  }));
  const { stdout } = await daemon.run("status", NOW);
  assertStringIncludes(
    stdout,
    "state         connected to 10.0.0.5:2377, since 2026-01-01T11:00:00Z (1h ago)\n",
  );
});

Deno.test("operator commands pass the node's refusal on, with its own exit code", async () => {
  const refusals = [
    {
      error: new SwarmdError("not-found", 'Cannot find node "9"', {
        hint: "See `swarmd node ls`",
      }),
      code: 18,
      stderr:
        'swarmd: error: Cannot find node "9"\nswarmd: hint: See `swarmd node ls`\n',
    },
    {
      error: new SwarmdError("role", "Cannot list nodes: this is a worker"),
      code: 17,
      stderr: "swarmd: error: Cannot list nodes: this is a worker\n",
    },
  ];
  for (const { error, code, stderr } of refusals) {
    await using daemon = await FakeDaemon.knows(() => {
      throw error;
    });
    for (const line of ["node ls", "node inspect 9", "node ls --json"]) {
      assertEquals(await daemon.run(line), { code, stdout: "", stderr });
    }
  }
});

Deno.test("operator commands take an error of a newer version as one without a meaning", async () => {
  const body = JSON.stringify({
    error: { code: "of-tomorrow", message: "Cannot do it yet" },
  });
  await using daemon = await FakeDaemon.answers(() =>
    Promise.resolve({ status: 409, body })
  );
  const { code, stderr } = await daemon.run("status");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "swarmd: error: internal: Cannot do it yet\n");
});

Deno.test("operator commands refuse an answer that is none", async () => {
  const answers = [
    { status: 500, body: "<html>" },
    { status: 200, body: "" },
    { status: 500, body: '{"error":{"code":5}}' },
    { status: 404, body: "null" },
  ];
  for (const answer of answers) {
    await using daemon = await FakeDaemon.answers(() =>
      Promise.resolve(answer)
    );
    const { code, stdout, stderr } = await daemon.run("status");
    assertEquals([code, stdout], [19, ""]);
    assertStringIncludes(
      stderr,
      `swarmd: error: Cannot read the answer of the local node: found status ${answer.status} and ${answer.body.length} characters, want JSON\n`,
    );
  }
});

Deno.test("operator commands say that no node runs, and where it was looked for", async () => {
  const stateDir = await Deno.makeTempDir({ prefix: "swarmd-cli-" });
  try {
    const run = (line: string) =>
      runLine([...line.split(" "), "--state-dir", stateDir]);
    for (const line of ["status", "node ls", "ca show", "token show worker"]) {
      const { code, stdout, stderr } = await run(line);
      assertEquals([code, stdout], [10, ""]);
      assertStringIncludes(
        stderr,
        `swarmd: error: Cannot ask the local node: no process serves "${stateDir}"\nswarmd: hint: Start it`,
      );
    }
    Deno.listen({ transport: "unix", path: `${stateDir}/swarmd.sock` }).close();
    assertEquals((await run("status")).code, 10);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});

Deno.test("operator commands say that there is no state directory", async () => {
  const { code, stdout, stderr } = await runLine([
    "status",
    "--state-dir=/nonexistent/swarmd",
  ]);
  assertEquals([code, stdout], [3, ""]);
  assertStringIncludes(
    stderr,
    'swarmd: error: Cannot ask the local node: there is no state directory "/nonexistent/swarmd"\n',
  );
});

Deno.test("node inspect refuses what cannot be the beginning of an id", async () => {
  for (const id of ["../status", "A", "x y", "0".repeat(26), "%2e"]) {
    const { code, stderr } = await runLine([
      "node",
      "inspect",
      id,
      "--state-dir=/x",
    ]);
    assertEquals(code, 2, id);
    assertStringIncludes(
      stderr,
      `swarmd: error: Cannot look up node "${id}": `,
    );
  }
});
