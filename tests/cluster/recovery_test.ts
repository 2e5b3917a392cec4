import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DAY } from "../../lib/base/time.ts";
import type { RecoveringPeer } from "../../lib/cluster/admission.ts";
import type { Applicant } from "../../lib/cluster/applicant.ts";
import {
  countRecoveries,
  decideRecovery,
  type RecoveryCase,
  type RecoveryDecision,
  withRecovery,
} from "../../lib/cluster/recovery.ts";
import {
  certificate,
  cluster,
  ISSUER,
  node,
  NODE_ID,
  NOW,
  previous,
} from "./samples.ts";

const END = certificate("current").notAfter;
const WINDOW = 30 * DAY;

function peer(change: Partial<RecoveringPeer> = {}): RecoveringPeer {
  return {
    ...{ kind: "recovering", nodeId: NODE_ID, reason: "expired", message: "m" },
    ...{ fingerprint: "print current", serial: "01", notBefore: 0 },
    issuerKeyId: ISSUER,
    ...change,
  };
}

/** A worker whose certificate ended yesterday, with a new key. */
const SOUND: RecoveryCase = {
  cluster: cluster(),
  node: node(),
  peer: peer(),
  spki: "spki new",
  issuerKeyId: ISSUER,
  issuerEnds: END + 3_650 * DAY,
  now: END + DAY,
};

function decide(change: Partial<RecoveryCase> = {}): string {
  return short(decideRecovery({ ...SOUND, ...change }));
}

function short(decision: RecoveryDecision): string {
  if (decision.kind === "refuse") return `refuse: ${decision.code}`;
  if (decision.kind === "wait") return `wait: ${decision.reason}`;
  return decision.kind;
}

function applicant(change: Partial<Applicant> = {}): Applicant {
  return {
    ...{ spki: "spki new", nodeId: NODE_ID, role: "worker", kind: "recover" },
    ...{ address: "", why: "", at: NOW },
    ...change,
  };
}

const BOTH = {
  current: certificate("current"),
  pending: certificate("pending"),
  previous: previous("previous", NOW),
};

function used(count: number, at = SOUND.now - DAY) {
  return node({ recoveries: new Array(count).fill(at) });
}

const CASES: readonly [string, Partial<RecoveryCase>, string][] = [
  ["inside the bounds", {}, "issue"],
  ["at the end of the window", { now: END + WINDOW }, "wait: expired"],
  ["just inside", { now: END + WINDOW - 1 }, "issue"],
  [
    "recovery off",
    { cluster: cluster({ recoveryWindowMs: 0 }) },
    "wait: expired",
  ],
  [
    "a longer window",
    {
      cluster: cluster({ recoveryWindowMs: 2 * WINDOW }),
      now: END + WINDOW,
    },
    "issue",
  ],
  ["used up", { node: used(10) }, "wait: expired"],
  ["nearly used up", { node: used(9) }, "issue"],
  ["used up long ago", { node: used(10, SOUND.now - 90 * DAY) }, "issue"],
  [
    "a limit of none",
    { cluster: cluster({ recoveryLimit: 0 }) },
    "wait: expired",
  ],
  ["a manager", { node: node({ role: "manager" }) }, "wait: expired"],
  [
    "the pending one",
    {
      node: node({ certificates: BOTH }),
      peer: peer({ fingerprint: "print pending" }),
    },
    "issue",
  ],
  [
    "the previous one",
    {
      node: node({ certificates: BOTH }),
      peer: peer({ fingerprint: "print previous" }),
    },
    "wait: replaced",
  ],
  [
    "one that nobody knows",
    { peer: peer({ fingerprint: "print x" }) },
    "wait: replaced",
  ],
  [
    "one from after a backup",
    { peer: peer({ fingerprint: "print x", notBefore: NOW + 1 }) },
    "wait: newer-than-store",
  ],
  [
    "a dropped root, long before its end",
    {
      peer: peer({ reason: "dropped-root" }),
      issuerKeyId: "new",
      now: NOW + DAY,
    },
    "issue",
  ],
  [
    "a compromised root",
    { cluster: cluster({ compromised: [ISSUER] }) },
    "refuse: unverified-chain",
  ],
  [
    "a compromised root, accepted",
    {
      cluster: cluster({ compromised: [ISSUER] }),
      applicant: applicant({ verdict: "accepted" }),
    },
    "refuse: unverified-chain",
  ],
  [
    "suspended",
    { node: node({ admission: "suspended" }) },
    "refuse: suspended",
  ],
  [
    "in conflict",
    { node: node({ admission: "conflict" }) },
    "refuse: conflict",
  ],
  ["another node's key", { holder: "x" }, "refuse: key-in-use"],
  [
    "accepted outside the bounds",
    {
      now: END + WINDOW,
      applicant: applicant({ verdict: "accepted" }),
    },
    "issue",
  ],
  [
    "rejected inside the bounds",
    { applicant: applicant({ verdict: "rejected" }) },
    "refuse: rejected",
  ],
  [
    "accepted as another node",
    { applicant: applicant({ verdict: "accepted", nodeId: "x" }) },
    "refuse: key-in-use",
  ],
  [
    "accepted as a joiner",
    { applicant: applicant({ verdict: "accepted", kind: "join" }) },
    "refuse: key-in-use",
  ],
  [
    "asked a moment ago, with another key",
    {
      node: node({
        certificates: {
          current: certificate("current"),
          pending: certificate("pending", { issuedAt: SOUND.now - 1 }),
        },
      }),
    },
    "refuse: too-busy",
  ],
  [
    "asked a moment ago, with the same key",
    {
      spki: "spki pending",
      node: node({
        certificates: {
          current: certificate("current"),
          pending: certificate("pending", {
            issuedAt: SOUND.now - 1,
            notAfter: SOUND.now + 90 * DAY - 1,
          }),
        },
      }),
    },
    "stored",
  ],
];

Deno.test("decideRecovery() decides by the bounds, the record and the operator", () => {
  for (const [what, change, want] of CASES) {
    assertEquals(decide(change), want, what);
  }
  const { node: _, ...gone } = SOUND;
  assertEquals(short(decideRecovery(gone)), "refuse: unknown-node");
});

Deno.test("decideRecovery() issues without an operator only inside all bounds", () => {
  const anyCase = fc.record({
    role: fc.constantFrom("worker", "manager"),
    admission: fc.constantFrom("active", "suspended", "conflict"),
    print: fc.constantFrom("current", "pending", "x"),
    late: fc.integer({ min: -40, max: 40 }),
    times: fc.integer({ min: 0, max: 12 }),
    compromised: fc.boolean(),
  });
  fc.assert(fc.property(anyCase, (c) => {
    const now = END + c.late * DAY;
    const { role, admission, print } = c;
    const recoveries = new Array(c.times).fill(now - DAY);
    const found = decideRecovery({
      ...SOUND,
      cluster: cluster(c.compromised ? { compromised: [ISSUER] } : {}),
      node: node({ role, admission, recoveries }),
      peer: peer({ fingerprint: `print ${print}` }),
      now,
    });
    const inside = role === "worker" && admission === "active" &&
      print === "current" && c.late < 30 && c.times < 10 && !c.compromised;
    assertEquals(found.kind === "issue", inside);
  }));
});

Deno.test("withRecovery() counts 90 days, and keeps a bounded list", () => {
  let known = node();
  for (let day = 0; day < 400; day++) {
    known = withRecovery(known, NOW + day * DAY);
  }
  assertEquals(known.recoveries?.length, 90);
  assertEquals(countRecoveries(known, NOW + 399 * DAY), 90);
  assertEquals(countRecoveries(known, NOW + 600 * DAY), 0);
  for (let i = 0; i < 200; i++) known = withRecovery(known, NOW + 400 * DAY);
  assertEquals(known.recoveries?.length, 100);
});
