import { assertEquals } from "@std/assert";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import type { Applicant } from "../../lib/cluster/applicant.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { CreatedToken } from "../../lib/cluster/created_token.ts";
import { decideJoin, type JoinCase } from "../../lib/cluster/issuance.ts";
import { applicant } from "./applicants.ts";
import { certificate, cluster, ISSUER, node, NODE_ID, NOW } from "./samples.ts";

const KEY = "spki current";
const CREATED: CreatedToken = {
  id: "created",
  key: "hash",
  role: "worker",
  createdAt: NOW,
  expiresAt: NOW + HOUR,
  usesLeft: 1,
};
const ENDS = {
  "the token was revoked": { revokedAt: NOW },
  "the token has expired": { expiresAt: NOW },
  "the token is used up": { usesLeft: 0 },
} as const;

function decide(change: Partial<JoinCase> = {}): string {
  const decision = decideJoin({
    cluster: cluster(),
    tokenId: "created",
    hostname: "h",
    issuerKeyId: ISSUER,
    issuerEnds: NOW + 9_999 * DAY,
    now: NOW + SECOND,
    created: CREATED,
    ...change,
  });
  switch (decision.kind) {
    case "issue":
      return `issue ${decision.nodeId ?? "new"}`;
    case "refuse":
      return `${decision.code}: ${decision.why}`;
    default:
      return decision.kind;
  }
}

function asking(change: Partial<Applicant> = {}): Applicant {
  return applicant("a", { spki: KEY, tokenId: "created", ...change });
}

const APPROVING: ClusterRecord = cluster({ requireApproval: true });

Deno.test("decideJoin() names why a created token lets a new key in no more", () => {
  assertEquals(decide(), "issue new");
  for (const [why, change] of Object.entries(ENDS)) {
    const created = { ...CREATED, ...change };
    assertEquals(decide({ created }), `token-refused: ${why}`);
  }
});

Deno.test("decideJoin() holds a token with a name to that name", () => {
  const created = { ...CREATED, name: "edge-7" };
  assertEquals(decide({ created, hostname: "edge-7" }), "issue new");
  for (const hostname of ["", "edge-70", "EDGE-7", "edge-7."]) {
    assertEquals(
      decide({ created, hostname }),
      'token-refused: the token is for a machine called "edge-7" only, ' +
        `and this one is called "${hostname}"`,
    );
  }
});

Deno.test("decideJoin() gives the same key the same node, whatever became of its token, unless it was revoked", () => {
  const pending = certificate("current");
  const { firstSeen: _, ...unseen } = node({ certificates: { pending } });
  const redemption = {
    ...{ spki: KEY, tokenId: "created", role: "worker" } as const,
    ...{ nodeId: NODE_ID, at: NOW },
  };
  const known = { redemption, node: unseen, holder: NODE_ID };
  for (const [why, change] of Object.entries(ENDS)) {
    const created = { ...CREATED, ...change };
    const want = "revokedAt" in change ? `token-refused: ${why}` : "stored";
    // Neither is another name, nor approval, asked of who is in.
    const facts = { ...known, created, hostname: "x", cluster: APPROVING };
    assertEquals(decide(facts), want);
  }
});

Deno.test("decideJoin() refuses a standing token that is disabled, by name", () => {
  const { tokens } = cluster();
  const worker = { ...tokens.worker, disabledAt: NOW };
  const off = cluster({ tokens: { ...tokens, worker } });
  assertEquals(
    decide({ cluster: off, tokenId: "token worker" }),
    "token-refused: joining by the standing token of this role is disabled",
  );
  assertEquals(decide({ cluster: off, tokenId: "token manager" }), "issue new");
});

Deno.test("decideJoin() has a new key wait where approval is required", () => {
  const facts = { cluster: APPROVING };
  const cases: [string, Partial<JoinCase>, string][] = [
    ["new", {}, "wait"],
    ["again", { applicant: asking() }, "wait"],
    [
      "accepted",
      { applicant: asking({ verdict: "accepted" }) },
      "issue node a",
    ],
    [
      "rejected",
      { applicant: asking({ verdict: "rejected" }) },
      "rejected: an operator rejected this machine",
    ],
    [
      "with another token",
      { applicant: asking({ tokenId: "token worker" }) },
      "key-in-use: the key was used for another request",
    ],
    [
      "of a node that recovers",
      { applicant: asking({ kind: "recover", verdict: "accepted" }) },
      "key-in-use: the key was used for another request",
    ],
    [
      "no longer required",
      { applicant: asking(), cluster: cluster() },
      "issue node a",
    ],
    [
      "rejected, and no longer required",
      { applicant: asking({ verdict: "rejected" }), cluster: cluster() },
      "rejected: an operator rejected this machine",
    ],
  ];
  for (const [what, change, want] of cases) {
    assertEquals(decide({ ...facts, ...change }), want, what);
  }
});

Deno.test("decideJoin() lets in who asked before the token expired, but not beyond its uses", () => {
  const cases: [keyof typeof ENDS, string][] = [
    ["the token has expired", "issue node a"],
    ["the token is used up", "token-refused: the token is used up"],
    ["the token was revoked", "token-refused: the token was revoked"],
  ];
  for (const [end, want] of cases) {
    const created = { ...CREATED, ...ENDS[end] };
    const accepted = asking({ verdict: "accepted" });
    const facts = { cluster: APPROVING, created, applicant: accepted };
    assertEquals(decide(facts), want);
  }
});

Deno.test("decideJoin() refuses a key that a node had by a renewal, and says if that was removed", () => {
  const cases = [[false, "key-in-use"], [true, "removed"]] as const;
  for (const [isHolderGone, want] of cases) {
    const got = decide({ holder: NODE_ID, isHolderGone });
    assertEquals(got.split(":")[0], want);
  }
});
