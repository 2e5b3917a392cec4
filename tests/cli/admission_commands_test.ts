import { assertEquals } from "@std/assert";
import { fromUtf8 } from "../../lib/base/bytes.ts";
import type {
  ApplicantSummary,
  ClusterSummary,
  CreatedTokenSummary,
  TokenLine,
} from "../../lib/cluster/local_api.ts";
import { FakeDaemon } from "./fake_daemon.ts";

const NOW = Date.UTC(2026, 0, 1, 12);
const CREATED: CreatedTokenSummary = {
  id: "t".repeat(25),
  token: "SWMTKN-1-root-secret",
  role: "worker",
  expiresAt: "2026-01-01T13:00:00.000Z",
  usesLeft: 2,
  name: "edge-7",
};
const LINES: readonly TokenLine[] = [
  {
    id: "s".repeat(25),
    kind: "standing",
    role: "worker",
    state: "disabled",
    createdAt: "2026-01-01T11:00:00.000Z",
  },
  {
    id: CREATED.id,
    kind: "created",
    role: "worker",
    state: "active",
    createdAt: "2026-01-01T12:00:00.000Z",
    expiresAt: CREATED.expiresAt,
    usesLeft: 2,
    name: "edge-7",
  },
];
const APPLICANT: ApplicantSummary = {
  id: "a".repeat(25),
  fingerprint: "0123456789abcdef".repeat(4),
  kind: "join",
  state: "waiting",
  role: "worker",
  hostname: "evil\x1b[2J",
  address: "10.0.0.9",
  token: "t".repeat(25),
  since: "2026-01-01T11:58:30.000Z",
  why: "joiners wait for approval here",
};
const CLUSTER: ClusterSummary = {
  id: "c".repeat(25),
  createdAt: "2026-01-01T11:00:00.000Z",
  drill: false,
  managers: ["10.0.0.5:2377"],
  certExpiryMs: 5_400_000,
  requireApproval: true,
  recoveryWindowMs: 86_400_000,
  recoveryLimit: 3,
};
const ANSWERS: Readonly<Record<string, unknown>> = {
  "GET /v1/status": { managers: ["10.0.0.5:2377"] },
  "GET /v1/tokens": LINES,
  "GET /v1/applicants": [APPLICANT],
  "GET /v1/cluster": CLUSTER,
  "POST /v1/tokens/create": CREATED,
  "POST /v1/tokens/rotate": CREATED,
  "POST /v1/tokens/revoke": { id: CREATED.id },
  "POST /v1/tokens/disable": { role: "worker", state: "disabled" },
  "POST /v1/nodes/accept": { id: APPLICANT.id, state: "accepted" },
  "POST /v1/nodes/reject": { id: APPLICANT.id, state: "rejected" },
  "POST /v1/cluster/update": CLUSTER,
  "POST /v1/clock/accept": {
    now: "2026-01-01T12:00:00Z",
    expected: "2026-04-01T12:00:00Z",
  },
  "POST /v1/nodes/accept-newer": {
    accepted: ["b".repeat(25)],
    left: [{
      id: APPLICANT.id,
      fingerprint: APPLICANT.fingerprint,
      why: "2 keys wait to be this node",
    }],
  },
};

/** A command, what it asks for, and what it tells people. */
type Case = readonly [
  line: string,
  asked: string,
  body: unknown,
  stdout: readonly string[],
];

const SETTINGS = [
  "cluster           ccccccccccccccccccccccccc",
  "created           2026-01-01T11:00:00Z (1h ago)",
  "drill             no",
  "managers          10.0.0.5:2377",
  "cert-expiry       1h30m",
  "require-approval  on",
  "recovery-window   1d",
  "recovery-limit    3 in 90d",
];

const CASES: readonly Case[] = [
  [
    "clock accept",
    "POST /v1/clock/accept",
    {},
    [
      "It is 2026-01-01T12:00:00Z from now on; 2026-04-01T12:00:00Z was expected",
    ],
  ],
  [
    "node accept --newer-than-store",
    "POST /v1/nodes/accept-newer",
    {},
    [
      "bbbbbbbbbbbbbbbbbbbbbbbbb is accepted",
      "aaaaaaaaaaaaaaaaaaaaaaaaa is left over, key 0123456789abcdef: 2 keys wait to be this node",
    ],
  ],
  [
    "token create --role worker --ttl 1d --uses 2 --name edge-7",
    "POST /v1/tokens/create",
    { role: "worker", lifeMs: 86_400_000, uses: 2, name: "edge-7" },
    [
      "SWMTKN-1-root-secret",
      "",
      'Token ttttttttttttttttttttttttt is shown this once. It lets in 2 workers called "edge-7", until 2026-01-01T13:00:00Z.',
      "Put it in a file on the machine and run there:",
      "  swarmd worker join --token-file FILE 10.0.0.5:2377",
    ],
  ],
  [
    "token create -q",
    "POST /v1/tokens/create",
    { role: "worker", lifeMs: 3_600_000, uses: 1 },
    ["SWMTKN-1-root-secret"],
  ],
  [
    "token rotate manager -q",
    "POST /v1/tokens/rotate",
    { role: "manager" },
    ["SWMTKN-1-root-secret"],
  ],
  [
    "token revoke tttt",
    "POST /v1/tokens/revoke",
    { id: "tttt" },
    ["token ttttttttttttttttttttttttt is revoked"],
  ],
  [
    "token disable worker",
    "POST /v1/tokens/disable",
    { role: "worker" },
    ["the standing token of the worker role is disabled"],
  ],
  [
    "token ls",
    "GET /v1/tokens",
    undefined,
    [
      "ID                         ROLE    KIND      STATE     USES  EXPIRES  NAME",
      "sssssssssssssssssssssssss  worker  standing  disabled  -     never    -",
      "ttttttttttttttttttttttttt  worker  created   active    2     in 1h    edge-7",
    ],
  ],
  [
    "node ls --pending",
    "GET /v1/applicants",
    undefined,
    [
      "ID                         KEY               ROLE    HOSTNAME       ADDRESS   TOKEN             SINCE      STATE    WHY",
      "aaaaaaaaaaaaaaaaaaaaaaaaa  0123456789abcdef  worker  evil\\u001b[2J  10.0.0.9  tttttttttttttttt  1m30s ago  waiting  joiners wait for approval here",
    ],
  ],
  [
    "node accept aaaa --fingerprint sha256:01:23:45:67:89:AB",
    "POST /v1/nodes/accept",
    { id: "aaaa", fingerprint: "0123456789ab" },
    ["aaaaaaaaaaaaaaaaaaaaaaaaa is accepted"],
  ],
  [
    "node reject aaaa",
    "POST /v1/nodes/reject",
    { id: "aaaa" },
    ["aaaaaaaaaaaaaaaaaaaaaaaaa is rejected"],
  ],
  ["cluster show", "GET /v1/cluster", undefined, SETTINGS],
  [
    "cluster update --require-approval on --cert-expiry 90m",
    "POST /v1/cluster/update",
    { requireApproval: true, leafLifeMs: 5_400_000 },
    SETTINGS,
  ],
];

Deno.test("the commands of admission ask for what they were told to, and tell what came", async () => {
  const asked: [string, unknown][] = [];
  await using daemon = await FakeDaemon.answers((request) => {
    const { method, path, body } = request;
    const text = fromUtf8(body ?? new Uint8Array());
    const name = `${method} ${path}`;
    asked.push([name, text === "" ? undefined : JSON.parse(text)]);
    const value = JSON.stringify(ANSWERS[name] ?? {});
    return Promise.resolve({ status: 200, headers: {}, body: value });
  });
  for (const [line, name, body, lines] of CASES) {
    asked.length = 0;
    const told = await daemon.run(line, NOW);
    assertEquals(asked[0], [name, body], line);
    const want = lines.map((each) => `${each}\n`).join("");
    assertEquals([told.stdout, told.stderr, told.code], [want, "", 0], line);
    const { stdout } = await daemon.run(`${line} --json`, NOW);
    assertEquals(JSON.parse(stdout), ANSWERS[name], line);
  }
});

Deno.test("cluster update wants a setting, and asks nobody without", async () => {
  await using daemon = await FakeDaemon.knows(() => ({}));
  const { code, stderr } = await daemon.run("cluster update");
  assertEquals(code, 2);
  assertEquals(stderr.includes("--require-approval, --cert-expiry"), true);
});
