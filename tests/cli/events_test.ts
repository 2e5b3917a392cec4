import { assertEquals } from "@std/assert";
import { eventWriter, type RunEvent } from "../../lib/cli/events.ts";
import { FakeHost } from "./fake_host.ts";

const AT = Date.UTC(2026, 0, 1, 12);
const CERTIFICATE = {
  node: "n0",
  serial: "4f",
  notBefore: Date.UTC(2026, 0, 1, 11),
  notAfter: Date.UTC(2026, 0, 1, 12, 0, 30),
  issuer: "CN=swarm-ca",
};
const READY = {
  event: "ready",
  cluster: "c0",
  node: "n0",
  listen: "0.0.0.0:2377",
  rootDigest: "sha256:aa",
} as const;

async function written(event: RunEvent, json: boolean): Promise<string> {
  const { output, stdout, stderr } = new FakeHost();
  eventWriter(output, { json, now: () => AT })(event);
  await output.flush();
  assertEquals(stderr.text, "");
  return stdout.text;
}

const CERTIFICATE_JSON = {
  node: "n0",
  serial: "4f",
  notBefore: "2026-01-01T11:00:00Z",
  notAfter: "2026-01-01T12:00:30Z",
  issuer: "CN=swarm-ca",
};

const CASES: readonly [event: RunEvent, json: object, text: string[]][] = [
  [
    READY,
    {
      cluster: "c0",
      node: "n0",
      listen: "0.0.0.0:2377",
      rootDigest: "sha256:aa",
    },
    [
      "2026-01-01T12:00:00Z ready on 0.0.0.0:2377",
      "cluster  c0",
      "node     n0",
      "root     sha256:aa",
    ],
  ],
  [
    { event: "pending", node: "n0", fingerprint: "ab".repeat(32) },
    { node: "n0", fingerprint: "ab".repeat(32) },
    [
      "2026-01-01T12:00:00Z waiting for approval as n0",
      `  key ${"ab".repeat(32)}`,
      "  on a manager: swarmd node accept n0 --fingerprint abababababababab",
    ],
  ],
  [
    {
      ...READY,
      managers: ["10.0.0.5:2377"],
      joinTokens: { worker: "SWMTKN-1-w-w", manager: "SWMTKN-1-m-m" },
    },
    {
      cluster: "c0",
      node: "n0",
      listen: "0.0.0.0:2377",
      rootDigest: "sha256:aa",
      managers: ["10.0.0.5:2377"],
      joinTokens: { worker: "SWMTKN-1-w-w", manager: "SWMTKN-1-m-m" },
    },
    [
      "2026-01-01T12:00:00Z ready on 0.0.0.0:2377",
      "cluster  c0",
      "node     n0",
      "root     sha256:aa",
      "",
      "Join token for workers, and then for managers (secrets):",
      "  SWMTKN-1-w-w",
      "  SWMTKN-1-m-m",
      "",
      "To add a worker, put its token in a file on its machine and run there:",
      "  swarmd worker join --token-file FILE 10.0.0.5:2377",
      "",
    ],
  ],
  [
    { event: "joined", ...CERTIFICATE },
    CERTIFICATE_JSON,
    [
      "2026-01-01T12:00:00Z joined as n0: serial 4f, valid for 30s until 2026-01-01T12:00:30Z",
    ],
  ],
  [
    { event: "renewed", ...CERTIFICATE },
    CERTIFICATE_JSON,
    [
      "2026-01-01T12:00:00Z renewed the certificate: serial 4f, valid for 30s until 2026-01-01T12:00:30Z",
    ],
  ],
  [
    { event: "recovered", reason: "expired", ...CERTIFICATE },
    { reason: "expired", ...CERTIFICATE_JSON },
    [
      "2026-01-01T12:00:00Z recovered the certificate (expired): serial 4f, valid for 30s until 2026-01-01T12:00:30Z",
    ],
  ],
  [
    { event: "connected", node: "n0", manager: "10.0.0.5:2377" },
    { node: "n0", manager: "10.0.0.5:2377" },
    ["2026-01-01T12:00:00Z connected to manager 10.0.0.5:2377"],
  ],
  [
    {
      event: "disconnected",
      node: "n0",
      manager: "10.0.0.5:2377",
      reason: "no heartbeat",
    },
    { node: "n0", manager: "10.0.0.5:2377", reason: "no heartbeat" },
    [
      "2026-01-01T12:00:00Z disconnected from manager 10.0.0.5:2377: no heartbeat",
    ],
  ],
  [
    { event: "root-changed", node: "n0", rootDigest: "sha256:bb" },
    { node: "n0", rootDigest: "sha256:bb" },
    ["2026-01-01T12:00:00Z changed the root: sha256:bb"],
  ],
  [
    { event: "stopped", reason: "SIGTERM" },
    { reason: "SIGTERM" },
    ["2026-01-01T12:00:00Z stopped: SIGTERM"],
  ],
];

Deno.test("eventWriter() writes each event as one JSON object a line", async () => {
  for (const [event, json] of CASES) {
    const text = await written(event, JSON_FORM);
    assertEquals(text.split("\n").length, 2);
    const at = "2026-01-01T12:00:00.000Z";
    assertEquals(JSON.parse(text), { event: event.event, at, ...json });
  }
});

Deno.test("eventWriter() tells people the same", async () => {
  for (const [event, , lines] of CASES) {
    const text = await written(event, TEXT_FORM);
    assertEquals(text, lines.map((line) => `${line}\n`).join(""));
  }
});

const JSON_FORM = true;
const TEXT_FORM = false;
