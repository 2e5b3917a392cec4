import { assertEquals } from "@std/assert";
import type {
  NodePeer,
  Peer,
  RecoverableReason,
} from "../../lib/cluster/admission.ts";
import { answerRemotely } from "../../lib/manager/http_api.ts";

const PATHS = ["/v1/ca", "/v1/nodes", "/v1/status"];
const CLOSED = [
  "/v1/tokens/worker",
  "/v1/nodes/x",
  "/v1/drill",
  "/",
  "/__proto__",
  "/toString",
  "/v1/ca/",
  "/v1/ca/crl/",
  "/v1/ca/crl/x",
];

function nodePeer(
  role: NodePeer["role"],
  certificate: NodePeer["certificate"],
): Peer {
  const fingerprint = "ab";
  const nodeId = "n";
  return { kind: "node", nodeId, role, certificate, fingerprint, notAfter: 1 };
}

const message = "m";

function recovering(reason: RecoverableReason): Peer {
  const certificate = {
    fingerprint: "p",
    serial: "1",
    notBefore: 1,
    issuerKeyId: "",
  };
  const node = { nodeId: "n", reason, message };
  return { kind: "recovering", ...node, ...certificate };
}

const PEERS: readonly (readonly [Peer | undefined, number])[] = [
  // A connection of which TLS saw nothing is anonymous.
  [undefined, 401],
  [{ kind: "anonymous" }, 401],
  [{ kind: "refused", code: "unverified-chain", message }, 403],
  [{ kind: "refused", code: "conflict", message }, 409],
  [{ kind: "refused", code: "not-yet-valid", message }, 403],
  [recovering("expired"), 403],
  [recovering("dropped-root"), 403],
  [recovering("replaced"), 403],
  [recovering("newer-than-store"), 403],
  [nodePeer("worker", "current"), 403],
  [nodePeer("worker", "pending"), 403],
  [nodePeer("manager", "previous"), 403],
  [nodePeer("manager", "current"), 200],
  [nodePeer("manager", "pending"), 200],
];

async function ask(
  peer: Peer | undefined,
  { path, method = "GET" }: { readonly path: string; readonly method?: string },
) {
  let asked = 0;
  let refused = 0;
  let listed = 0;
  const facts = {
    remote: { host: "h", port: 1 },
    tlsVersion: "TLSv1.2",
    resumed: true,
    presented: [],
  };
  const answer = await answerRemotely(
    { method, path, ...(peer && { facts }) },
    {
      identify: () => Promise.resolve(peer ?? { kind: "anonymous" }),
      answer: () => {
        asked++;
        return Promise.resolve({ status: 200, headers: {}, body: "{}" });
      },
      crl: () => {
        listed++;
        return Promise.resolve({ status: 200, headers: {}, body: "" });
      },
      refused: () => refused++,
    },
  );
  const denied = [401, 403, 409].includes(answer.status);
  assertEquals(refused, denied ? 1 : 0);
  return { status: answer.status, asked, listed };
}

Deno.test("answerRemotely() lets exactly those read a path whom it is for", async () => {
  for (const [peer, status] of PEERS) {
    for (const path of PATHS) {
      const want = path === "/v1/ca" ? 200 : status;
      const found = await ask(peer, { path });
      const asked = want === 200 ? 1 : 0;
      assertEquals(found, { status: want, asked, listed: 0 });
    }
  }
});

Deno.test("answerRemotely() gives revocation lists to anyone", async () => {
  for (const [peer] of PEERS) {
    const found = await ask(peer, { path: "/v1/ca/crl" });
    assertEquals(found, { status: 200, asked: 0, listed: 1 });
  }
});

Deno.test("answerRemotely() opens no path of the operator's", async () => {
  for (const [peer, status] of PEERS) {
    for (const path of CLOSED) {
      const want = status === 200 ? 404 : status;
      const wanted = { status: want, asked: 0, listed: 0 };
      assertEquals(await ask(peer, { path }), wanted, path);
    }
  }
});

Deno.test("answerRemotely() writes nothing", async () => {
  for (const method of ["POST", "PUT", "DELETE"]) {
    const manager = nodePeer("manager", "current");
    const wanted = { status: 400, asked: 0, listed: 0 };
    assertEquals(await ask(manager, { path: "/v1/nodes", method }), wanted);
    assertEquals(await ask(undefined, { path: "/v1/ca", method }), wanted);
  }
});
