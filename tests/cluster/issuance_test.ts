import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import {
  decideJoin,
  decideRenewal,
  type JoinCase,
  type JoinDecision,
  type RenewalCase,
} from "../../lib/cluster/issuance.ts";
import {
  type CertificateRecord,
  type NodeRecord,
  withPending,
} from "../../lib/cluster/node.ts";
import type { RedemptionRecord } from "../../lib/cluster/redemption.ts";
import {
  certificate,
  cluster,
  ISSUER,
  node,
  NODE_ID,
  NOW,
  previous,
} from "./samples.ts";

const KEY = "spki current";
const OTHER = "o".repeat(25);

function redemption(change: Partial<RedemptionRecord> = {}): RedemptionRecord {
  return {
    spki: KEY,
    tokenId: "token worker",
    role: "worker",
    nodeId: NODE_ID,
    at: NOW,
    ...change,
  };
}

function joinCase(change: Partial<JoinCase> = {}): JoinCase {
  return {
    cluster: cluster(),
    tokenId: "token worker",
    hostname: "h",
    issuerKeyId: ISSUER,
    issuerEnds: NOW + 9_999 * DAY,
    now: NOW + SECOND,
    ...change,
  };
}

/** The same key with the same token again. */
function repeat(record: NodeRecord, change: Partial<JoinCase> = {}) {
  const known = { redemption: redemption(), node: record, holder: NODE_ID };
  return short(decideJoin(joinCase({ ...known, ...change })));
}

function renewal(change: Partial<RenewalCase> = {}): string {
  return short(decideRenewal({
    cluster: cluster(),
    node: node(),
    spki: "spki new",
    issuerKeyId: ISSUER,
    issuerEnds: NOW + 9_999 * DAY,
    now: NOW + SECOND,
    ...change,
  }));
}

function short(decision: JoinDecision): string {
  switch (decision.kind) {
    case "wait":
      return `wait ${decision.role}`;
    case "stored":
      return `stored ${decision.certificate.fingerprint}`;
    case "issue":
      return `issue ${decision.role} ${decision.nodeId ?? "new"}`;
    case "refuse":
      return decision.code;
  }
}

function unseen(pending: CertificateRecord): NodeRecord {
  const { firstSeen: _, ...rest } = node({ certificates: { pending } });
  return rest;
}

Deno.test("decideJoin() makes a node of the token's role for a key that is new", () => {
  const cases = [
    ["token worker", "issue worker new"],
    ["token manager", "issue manager new"],
    ["token x", "token-refused"],
    ["", "token-refused"],
  ] as const;
  for (const [tokenId, want] of cases) {
    assertEquals(short(decideJoin(joinCase({ tokenId }))), want);
  }
});

Deno.test("decideJoin() checks the token before it looks at the key", () => {
  const known = { redemption: redemption(), node: node(), tokenId: "token x" };
  assertEquals(short(decideJoin(joinCase(known))), "token-refused");
});

Deno.test("decideJoin() answers a repeat of a node that was never seen, however late", () => {
  const record = unseen(certificate("current"));
  for (const later of [0, SECOND, 44 * DAY]) {
    assertEquals(repeat(record, { now: NOW + later }), "stored print current");
  }
  // Past half of its life it would be of little use: a new one.
  assertEquals(
    repeat(record, { now: NOW + 46 * DAY }),
    `issue worker ${NODE_ID}`,
  );
});

Deno.test("decideJoin() answers a repeat for 10 min after the node was seen", () => {
  const record = node();
  const cases = [
    [0, "stored print current"],
    [10 * MINUTE, "stored print current"],
    [10 * MINUTE + 1, "already-joined"],
    [DAY, "already-joined"],
    [89 * DAY, "already-joined"],
  ] as const;
  for (const [later, want] of cases) {
    assertEquals(repeat(record, { now: NOW + later }), want, `${later} ms`);
  }
});

Deno.test("decideJoin() never lets an old key take a node over", () => {
  // Seen, and renewed since: the key of the join is replaced or forgotten.
  const current = certificate("newer");
  const records = [
    node({ certificates: { current } }),
    node({ certificates: { current, pending: certificate("newest") } }),
    node({
      certificates: { current, previous: previous("current", NOW + MINUTE) },
    }),
  ];
  for (const record of records) {
    for (const later of [SECOND, 2 * SECOND, 9 * MINUTE, DAY]) {
      assertEquals(repeat(record, { now: NOW + later }), "already-joined");
    }
  }
});

Deno.test("decideJoin() knows a removed node's key by what it redeemed", () => {
  const facts = joinCase({ redemption: redemption() });
  assertEquals(short(decideJoin(facts)), "removed");
});

Deno.test("decideJoin() refuses a key that is known under something else", () => {
  const cases: Partial<RedemptionRecord>[] = [
    { tokenId: "token old" },
    { tokenId: "token manager", role: "manager" },
    { role: "manager" },
  ];
  for (const change of cases) {
    const known = { redemption: redemption(change), node: node() };
    assertEquals(short(decideJoin(joinCase(known))), "key-in-use");
  }
  // A key that a node got by renewing was never redeemed: one key, one id.
  assertEquals(
    short(decideJoin(joinCase({ holder: NODE_ID }))),
    "key-in-use",
  );
});

Deno.test("decideJoin() gives nothing to a node that is frozen", () => {
  for (const admission of ["suspended", "conflict"] as const) {
    assertEquals(repeat(node({ admission })), admission);
  }
});

Deno.test("decideRenewal() issues for the node's role in the store", () => {
  assertEquals(renewal(), `issue worker ${NODE_ID}`);
  assertEquals(
    renewal({ node: node({ role: "manager" }) }),
    `issue manager ${NODE_ID}`,
  );
});

Deno.test("decideRenewal() refuses whoever may not", () => {
  const { node: _, ...nobody } = {
    node: undefined,
    cluster: cluster(),
    spki: "spki new",
    issuerKeyId: ISSUER,
    issuerEnds: NOW + 9_999 * DAY,
    now: NOW,
  };
  assertEquals(short(decideRenewal(nobody)), "unknown-node");
  const cases: readonly [Partial<RenewalCase>, string][] = [
    [{ node: node({ admission: "suspended" }) }, "suspended"],
    [{ node: node({ admission: "conflict" }) }, "conflict"],
    [{ holder: OTHER }, "key-in-use"],
    [{ holder: NODE_ID }, `issue worker ${NODE_ID}`],
    // Its standing comes before its key.
    [{ node: node({ admission: "conflict" }), holder: OTHER }, "conflict"],
  ];
  for (const [change, want] of cases) assertEquals(renewal(change), want);
});

Deno.test("decideRenewal() returns what is stored for a key that asks again", () => {
  const both = node({
    certificates: {
      current: certificate("current"),
      pending: certificate("pending"),
    },
  });
  const cases = [
    ["spki current", "stored print current"],
    ["spki pending", "stored print pending"],
    ["spki new", `issue worker ${NODE_ID}`],
  ] as const;
  for (const [spki, want] of cases) {
    assertEquals(renewal({ node: both, spki }), want);
  }
});

Deno.test("decideRenewal() prefers the newer of two certificates of one key", () => {
  const older = certificate("older", { spki: KEY });
  const newer = certificate("newer", { spki: KEY });
  const record = node({ certificates: { current: older, pending: newer } });
  assertEquals(renewal({ node: record, spki: KEY }), "stored print newer");
});

Deno.test("decideRenewal() does not give back a certificate that was replaced", () => {
  const record = node({
    certificates: {
      current: certificate("newer"),
      previous: previous("current", NOW + MINUTE),
    },
  });
  assertEquals(renewal({ node: record, spki: KEY }), `issue worker ${NODE_ID}`);
});

Deno.test("decideRenewal() gives a stored certificate only while it is what would be issued", () => {
  const issue = `issue worker ${NODE_ID}`;
  const half = NOW + 45 * DAY;
  const cases: readonly [Partial<RenewalCase>, string][] = [
    [{}, "stored print current"],
    [{ now: half - 1 }, "stored print current"],
    [{ now: half }, issue],
    [{ issuerKeyId: "16".repeat(20) }, issue],
    [{ node: node({ role: "manager" }) }, `issue manager ${NODE_ID}`],
    // The operator made lives shorter since.
    [{ cluster: cluster({ leafLifeMs: 89 * DAY }) }, issue],
  ];
  for (const [change, want] of cases) {
    assertEquals(renewal({ spki: KEY, ...change }), want, Deno.inspect(change));
  }
});

Deno.test("decideRenewal() signs for a peer at intervals: a thousandth of the life, 1 s to 1 min", () => {
  const issue = `issue worker ${NODE_ID}`;
  const cases = [
    [90 * DAY, MINUTE],
    [HOUR, 3_600],
    [10 * SECOND, SECOND],
  ] as const;
  for (const [leafLifeMs, interval] of cases) {
    const at = (later: number, limited = true) =>
      renewal({
        cluster: cluster({ leafLifeMs }),
        now: NOW + later,
        limited,
      });
    assertEquals(at(0), "too-busy");
    assertEquals(at(interval - 1), "too-busy");
    assertEquals(at(interval), issue);
    // The clock was set back: the node must get its certificate all the same.
    assertEquals(at(-1), issue);
    // A manager for itself.
    assertEquals(at(0, false), issue);
  }
  // What is stored costs no signature.
  const again = { now: NOW, spki: KEY, limited: true };
  assertEquals(renewal(again), "stored print current");
});

Deno.test("decideRenewal() signs at once for a node whose certificate is of another authority", () => {
  const asked = { now: NOW, limited: true, issuerKeyId: "the next" };
  assertEquals(renewal(asked), `issue worker ${NODE_ID}`);
});

Deno.test("decideRenewal() signs at once for another role, or where an operator asks, and tells others when", () => {
  const asked = { now: NOW + 2_000, limited: true };
  const promoted = node({ role: "manager" });
  const manager = `issue manager ${NODE_ID}`;
  assertEquals(renewal({ ...asked, node: promoted }), manager);
  // It does not use what it got, and asks in a loop.
  const looping = withPending(
    promoted,
    certificate("next", { role: "manager" }),
  );
  assertEquals(renewal({ ...asked, node: looping }), "too-busy");
  const wanted = node({ renewalWanted: true });
  assertEquals(renewal({ ...asked, node: wanted }), `issue worker ${NODE_ID}`);
  const once = withPending(wanted, certificate("next"));
  assertEquals(renewal({ ...asked, node: once }), "too-busy");
  const decision = decideRenewal({
    ...asked,
    cluster: cluster(),
    node: node(),
    spki: "another",
    issuerKeyId: ISSUER,
    issuerEnds: NOW + 900 * DAY,
  });
  assert(decision.kind === "refuse");
  assertEquals(decision.waitMs, MINUTE - 2_000);
});

Deno.test("decideRenewal() does not renew into a leaf that gains nothing", () => {
  const issue = `issue worker ${NODE_ID}`;
  const now = NOW + 10 * DAY;
  const ends = (current: number) =>
    node({
      certificates: { current: certificate("current", { notAfter: current }) },
    });
  const cases: [Partial<RenewalCase>, string][] = [
    // Half of 90 days is left of the authority: worth it.
    [{ node: ends(now + 45 * DAY), issuerEnds: now + 45 * DAY }, issue],
    [
      { node: ends(now + 44 * DAY), issuerEnds: now + 44 * DAY },
      "issuer-ending",
    ],
    // The present one ends before the authority does.
    [{ node: ends(now + 43 * DAY), issuerEnds: now + 44 * DAY }, issue],
    // Of a manager for itself, which may have lost its key.
    [{
      node: ends(now + 44 * DAY),
      issuerEnds: now + 44 * DAY,
      limited: false,
    }, issue],
    // The present one is of an authority that goes.
    [{
      node: ends(now + 44 * DAY),
      issuerEnds: now + 44 * DAY,
      issuerKeyId: "the next",
    }, issue],
  ];
  for (const [change, want] of cases) {
    const facts = { now, limited: true, ...change };
    assertEquals(renewal(facts), want, Deno.inspect(change));
  }
});

Deno.test("no decision gives a key two ids, or a frozen node anything", () => {
  const anyFacts = fc.record({
    admission: fc.constantFrom("active", "suspended", "conflict"),
    seen: fc.boolean(),
    key: fc.constantFrom("current", "pending", "gone"),
    redeemed: fc.boolean(),
    known: fc.boolean(),
    holder: fc.constantFrom(undefined, NODE_ID, OTHER),
    later: fc.integer({ min: 0, max: 100 * DAY }),
  });
  fc.assert(fc.property(anyFacts, (c) => {
    const { firstSeen: _, ...unseen } = node({
      admission: c.admission,
      certificates: {
        current: certificate("current"),
        pending: certificate("pending"),
      },
    });
    const record = c.seen ? { ...unseen, firstSeen: NOW } : unseen;
    const decision = decideJoin(joinCase({
      now: NOW + c.later,
      ...(c.redeemed && { redemption: redemption({ spki: `spki ${c.key}` }) }),
      ...(c.redeemed && c.known && { node: record }),
      ...(c.holder !== undefined && { holder: c.holder }),
    }));
    if (decision.kind === "refuse") return;
    assertEquals(c.redeemed ? c.known : c.holder === undefined, true);
    if (!c.redeemed) return;
    assertEquals(c.admission, "active");
    if (decision.kind === "issue") assertEquals(decision.nodeId, NODE_ID);
  }));
});
