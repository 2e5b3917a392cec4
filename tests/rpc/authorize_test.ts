import { assert, assertEquals, assertThrows } from "@std/assert";
import { hasCode, SwarmdError } from "../../lib/base/errors.ts";
import type { NodePeer, Peer } from "../../lib/cluster/admission.ts";
import { authorize } from "../../lib/rpc/authorize.ts";
import { type Method, METHODS } from "../../lib/rpc/methods.ts";

/** Who may call what. A new method does not type-check until it stands here. */
const ALLOWED: Readonly<Record<Method, readonly string[]>> = {
  "hello": ["anonymous", "recovering", "worker", "manager"],
  "ca.root": ["anonymous"],
  "ca.succession": ["anonymous"],
  "join": ["anonymous"],
  "recover": ["recovering"],
  "heartbeat": ["worker", "manager"],
  "node.register": ["worker", "manager"],
  "node.renew": ["worker", "manager"],
  "node.rehearse": ["worker", "manager"],
  "node.rehearsed": ["worker", "manager"],
  "node.leave": ["worker", "manager"],
  "audit.kept": ["worker", "manager"],
  "drill.number": ["worker", "manager"],
};

const NODE = "n".repeat(25);

function nodePeer(
  role: NodePeer["role"],
  shown: NodePeer["certificate"],
): NodePeer {
  return {
    kind: "node",
    nodeId: NODE,
    role,
    certificate: shown,
    fingerprint: "print",
    notAfter: 1,
  };
}

const RECOVERABLE = [
  "expired",
  "dropped-root",
  "replaced",
  "newer-than-store",
] as const;

/** Every kind of peer, and the code of a denial. */
const PEERS: readonly {
  readonly name: string;
  readonly peer: Peer;
  readonly caller?: string;
  readonly denied: string;
}[] = [
  {
    name: "anonymous",
    peer: { kind: "anonymous" },
    caller: "anonymous",
    denied: "anonymous",
  },
  ...RECOVERABLE.map((reason) => ({
    name: `recovering: ${reason}`,
    peer: {
      ...{ kind: "recovering", nodeId: NODE, reason, message: "m" } as const,
      ...{ fingerprint: "print", serial: "1", notBefore: 1 },
      ...{ issuerKeyId: "" },
    },
    caller: "recovering",
    denied: reason,
  })),
  ...(["worker", "manager"] as const).flatMap((role) => [
    ...(["current", "pending"] as const).map((shown) => ({
      name: `${role} by ${shown}`,
      peer: nodePeer(role, shown),
      caller: role,
      denied: "role",
    })),
    // It may finish what runs, and starts nothing.
    {
      name: `${role} by previous`,
      peer: nodePeer(role, "previous"),
      caller: role,
      denied: "replaced",
    },
  ]),
  ...(["unverified-chain", "removed", "suspended"] as const).map((code) => ({
    name: `refused: ${code}`,
    peer: { kind: "refused", code, message: "m" } as const,
    denied: code,
  })),
];

Deno.test("authorize() lets exactly those call whom the table names", () => {
  let allowed = 0;
  for (const method of Object.keys(METHODS)) {
    const callers = ALLOWED[method as Method];
    assert(callers, `who may call ${method} is not decided`);
    for (const { name, peer, caller = "", denied } of PEERS) {
      // A previous certificate finishes what runs, and starts no call.
      const starts = METHODS[method as Method].kind === "request" &&
        method !== "hello";
      const may = callers.includes(caller) &&
        !(starts && name.endsWith("previous"));
      if (may) {
        allowed++;
        assertEquals(authorize(peer, method), method);
        continue;
      }
      const error = assertThrows(() => authorize(peer, method), SwarmdError);
      // A previous certificate is a good reason too where the role is none.
      const codes = [denied, ...(name.endsWith("previous") ? ["role"] : [])];
      assert(codes.includes(error.code), `${name}, ${method}: ${error.code}`);
      assert(error.message.includes(method));
    }
  }
  // hello: 11 kinds; ca.root, ca.succession, join: 1 each; recover: 4; node.renew, node.rehearse and
  // node.leave: 4 each; what is only told: 6.
  assertEquals(allowed, 11 + 3 + 4 + 3 * 4 + 5 * 6);
});

Deno.test("authorize() knows no method that the table does not hold", () => {
  const names = [
    "toString",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "Hello",
    "hello ",
    "",
    "recovers",
    "node.renew-now",
  ];
  for (const name of names) {
    for (const { peer, name: who } of PEERS) {
      const error = assertThrows(() => authorize(peer, name), SwarmdError);
      const unknown = hasCode(error, "unknown-method");
      assertEquals(unknown, peer.kind !== "refused", `${who}, "${name}"`);
    }
  }
});
