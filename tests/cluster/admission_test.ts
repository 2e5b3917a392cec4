import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type AdmissionCase,
  judgeClaim,
  judgePeer,
  type Peer,
} from "../../lib/cluster/admission.ts";
import type { ChainReason, ChainVerdict } from "../../lib/pki/chain.ts";
import {
  certificate,
  CLUSTER_ID,
  ISSUER,
  leaf,
  node,
  NODE_ID,
  NOW,
  previous,
} from "./samples.ts";

const GOOD: ChainVerdict = { ok: true, path: [], validUntil: NOW + 1 };

function bad(reason: ChainReason, provenIssuer = false): ChainVerdict {
  return { ok: false, reason, detail: `it is ${reason}`, provenIssuer };
}

/** A worker with its current certificate. */
const SOUND: AdmissionCase = {
  leaf: leaf("current"),
  chain: GOOD,
  clusterId: CLUSTER_ID,
  node: node(),
  now: NOW,
};

function judge(change: Partial<AdmissionCase>): Peer {
  return judgePeer({ ...SOUND, ...change });
}

/** A verdict in short: what it is, and why. */
function short(peer: Peer): string {
  switch (peer.kind) {
    case "anonymous":
      return "anonymous";
    case "node":
      return `${peer.role} by ${peer.certificate}`;
    case "recovering":
      return `recovering: ${peer.reason}`;
    case "refused":
      return `refused: ${peer.code}`;
  }
}

Deno.test("judgePeer() admits a node by the certificate that the store knows", () => {
  assertEquals(judge({}), {
    kind: "node",
    nodeId: NODE_ID,
    role: "worker",
    certificate: "current",
    fingerprint: "print current",
    notAfter: leaf("current").notAfter,
  });
});

Deno.test("judgePeer() calls whoever shows no certificate anonymous", () => {
  const { clusterId, now } = SOUND;
  assertEquals(judgePeer({ clusterId, now }), { kind: "anonymous" });
  assertEquals(
    judgePeer({ clusterId, now, node: node() }),
    { kind: "anonymous" },
  );
});

Deno.test("judgePeer() refuses every chain that does not hold", () => {
  const reasons: ChainReason[] = [
    "empty",
    "too-long",
    "version",
    "is-ca",
    "usage",
    "unknown-critical",
    "not-a-ca",
    "path-length",
    "bad-signature",
    "untrusted",
  ];
  for (const reason of reasons) {
    const peer = judge({ leaf: leaf("another"), chain: bad(reason) });
    assertEquals(short(peer), "refused: unverified-chain", reason);
  }
});

Deno.test("judgePeer() lets a node recover whose root was dropped: the record, or a root of before, is the proof", () => {
  const proven = bad("expired", true);
  const certificates = {
    current: certificate("current"),
    pending: certificate("pending"),
    previous: previous("previous", NOW - 1),
  };
  const cases: readonly [string, Partial<AdmissionCase>, string][] = [
    ["current", {}, "recovering: dropped-root"],
    ["pending", {}, "recovering: dropped-root"],
    // Issued here, and replaced since.
    ["previous", {}, "recovering: replaced"],
    ["other", { dropped: GOOD }, "recovering: replaced"],
    ["other", { dropped: proven }, "recovering: replaced"],
    ["other", { dropped: bad("untrusted") }, "refused: unverified-chain"],
    ["other", {}, "refused: unverified-chain"],
    // Whatever else it is.
    ["current", { compromised: [ISSUER] }, "refused: unverified-chain"],
    ["current", { compromised: ["other"] }, "recovering: dropped-root"],
  ];
  for (const [name, change, want] of cases) {
    const peer = judge({
      leaf: leaf(name),
      chain: bad("untrusted"),
      node: node({ certificates }),
      ...change,
    });
    assertEquals(short(peer), want, `${name} ${Deno.inspect(change)}`);
  }
  const newer = leaf("other", { notBefore: NOW + 1 });
  const restored = { leaf: newer, chain: bad("untrusted"), dropped: GOOD };
  assertEquals(short(judge(restored)), "recovering: newer-than-store");
  for (const admission of ["suspended", "conflict"] as const) {
    const frozen = { chain: bad("untrusted"), node: node({ admission }) };
    assertEquals(short(judge(frozen)), `refused: ${admission}`);
  }
});

Deno.test("judgePeer() refuses what a compromised root vouches for, whoever knows it", () => {
  const stranger = { ...leaf("other"), authorityKeyId: ISSUER };
  const peer = judge({
    ...{ leaf: stranger, chain: bad("untrusted"), dropped: GOOD },
    compromised: [ISSUER],
  });
  assertEquals(short(peer), "refused: unverified-chain");
});

Deno.test("judgePeer() does not believe a date's verdict on a chain that proves nothing", () => {
  for (const reason of ["expired", "not-yet-valid"] as const) {
    const peer = judge({ leaf: leaf("another"), chain: bad(reason, false) });
    assertEquals(short(peer), "refused: unverified-chain");
  }
});

Deno.test("judgePeer() judges dates by whose they are", () => {
  const cases = [
    ["expired", "recovering: expired"],
    ["not-yet-valid", "refused: not-yet-valid"],
    // A cross-signature has ended: nothing leads to its root any more.
    ["issuer-expired", "recovering: dropped-root"],
    ["issuer-not-yet-valid", "refused: not-yet-valid"],
  ] as const;
  for (const [reason, want] of cases) {
    assertEquals(short(judge({ chain: bad(reason, true) })), want, reason);
  }
  const unknown = { leaf: leaf("another"), chain: bad("issuer-expired", true) };
  assertEquals(short(judge(unknown)), "refused: expired");
});

Deno.test("judgePeer() names both times when a date is wrong", () => {
  for (const reason of ["expired", "not-yet-valid"] as const) {
    const peer = judge({ chain: bad(reason, true) });
    const text = "message" in peer ? peer.message : "";
    assertEquals(text.includes("2026-01-01T00:00:00Z"), true, text);
  }
});

Deno.test("judgePeer() refuses names that are no node's of this cluster", () => {
  const other = "d".repeat(25);
  const cases: readonly [Parameters<typeof leaf>[1], string][] = [
    [{ organization: other }, "foreign-cluster"],
    [{ organization: "" }, "foreign-cluster"],
    [{ organization: CLUSTER_ID.toUpperCase() }, "foreign-cluster"],
    [{ unit: "swarm-admin" }, "unverified-chain"],
    [{ unit: "" }, "unverified-chain"],
    [{ unit: "swarm-manager " }, "unverified-chain"],
    [{ node: "" }, "unverified-chain"],
  ];
  for (const [names, code] of cases) {
    const peer = judge({ leaf: leaf("current", names) });
    assertEquals(short(peer), `refused: ${code}`, Deno.inspect(names));
  }
});

Deno.test("judgePeer() refuses names that stand twice or not at all", () => {
  // `Name` leaves a shortcut out unless there is exactly one such attribute.
  const keys = ["organization", "organizationalUnit", "commonName"] as const;
  for (const key of keys) {
    const sound = leaf("current");
    const { [key]: _, ...subject } = sound.subject;
    const peer = judge({ leaf: { ...sound, subject } });
    assertEquals(peer.kind, "refused", key);
  }
});

Deno.test("judgePeer() refuses nodes that are unknown or frozen, by name", () => {
  const { node: _, ...unknown } = SOUND;
  assertEquals(short(judgePeer(unknown)), "refused: unknown-node");
  for (const admission of ["suspended", "conflict"] as const) {
    const peer = judge({ node: node({ admission }) });
    assertEquals(short(peer), `refused: ${admission}`);
    assertEquals("nodeId" in peer && peer.nodeId, NODE_ID);
  }
});

Deno.test("judgePeer() accepts exactly current, pending, and previous inside its overlap", () => {
  const until = NOW + 3_000;
  const record = node({
    certificates: {
      current: certificate("current"),
      pending: certificate("pending"),
      previous: previous("previous", until),
    },
  });
  const cases = [
    ["current", NOW, "worker by current"],
    ["current", until + 1, "worker by current"],
    ["pending", NOW, "worker by pending"],
    ["previous", NOW, "worker by previous"],
    ["previous", until - 1, "worker by previous"],
    ["previous", until, "recovering: replaced"],
    ["previous", until + 1, "recovering: replaced"],
    ["another", NOW, "recovering: replaced"],
  ] as const;
  for (const [name, now, want] of cases) {
    const peer = judge({ leaf: leaf(name), node: record, now });
    assertEquals(short(peer), want, `${name} at ${now - NOW}`);
  }
});

Deno.test("judgePeer() goes by the fingerprint, never by serial or key", () => {
  // Whoever holds the CA's key mints any serial, for any key.
  const forged = { ...leaf("current"), fingerprint: "print forged" };
  assertEquals(short(judge({ leaf: forged })), "recovering: replaced");
});

Deno.test("judgePeer() tells what is newer than the store from what was replaced", () => {
  const known = certificate("current").notBefore;
  const pending = certificate("pending", { issuedAt: NOW + 5_000 });
  const both = { current: certificate("current"), pending };
  const cases = [
    [{}, known, "newer-than-store"],
    [{ current: certificate("current") }, known + 1, "newer-than-store"],
    [{ current: certificate("current") }, known, "replaced"],
    [{ current: certificate("current") }, known - 1, "replaced"],
    [both, known + 5_000, "replaced"],
    [both, known + 5_001, "newer-than-store"],
  ] as const;
  for (const [certificates, notBefore, reason] of cases) {
    const peer = judge({
      leaf: leaf("other", { notBefore }),
      node: node({ certificates }),
    });
    assertEquals(short(peer), `recovering: ${reason}`);
  }
});

Deno.test("judgePeer() gives the weaker of what certificate and store say", () => {
  const cases = [
    ["manager", "manager", "manager"],
    ["manager", "worker", "worker"],
    ["worker", "manager", "worker"],
    ["worker", "worker", "worker"],
  ] as const;
  for (const [shown, role, want] of cases) {
    const peer = judge({
      leaf: leaf("current", { role: shown }),
      node: node({ role }),
    });
    assertEquals(short(peer), `${want} by current`, `${shown} and ${role}`);
  }
});

Deno.test("judgePeer() gives the first reason of several", () => {
  const foreign = leaf("other", { organization: "d".repeat(25) });
  const unknown = { ...SOUND, leaf: leaf("other") };
  const suspended = node({ admission: "suspended" });
  const dates = bad("expired", true);
  const { node: _, ...nobody } = SOUND;
  const cases: readonly [AdmissionCase, string][] = [
    // The names before the chain: a stranger costs no signature check.
    [{ ...SOUND, leaf: foreign, chain: bad("untrusted") }, "foreign-cluster"],
    [{ ...nobody, chain: bad("untrusted") }, "unknown-node"],
    // The cluster before the node.
    [{ ...nobody, leaf: foreign }, "foreign-cluster"],
    // Whether there is such a node before its dates.
    [{ ...nobody, chain: dates }, "unknown-node"],
    // Its standing before its dates, and before its record.
    [{ ...SOUND, node: suspended, chain: dates }, "suspended"],
    [{ ...unknown, node: suspended }, "suspended"],
  ];
  for (const [facts, code] of cases) {
    assertEquals(short(judgePeer(facts)), `refused: ${code}`);
  }
  // Its dates before its record.
  assertEquals(
    short(judgePeer({ ...unknown, chain: dates })),
    "recovering: expired",
  );
});

Deno.test("judgePeer() denies whatever is not sound in every respect", () => {
  const chains = [GOOD, bad("untrusted"), bad("expired", true)];
  const anyCase = fc.record({
    chain: fc.constantFrom(...chains),
    print: fc.constantFrom("current", "pending", "previous", "x"),
    organization: fc.constantFrom(CLUSTER_ID, "d".repeat(25)),
    unit: fc.constantFrom("swarm-worker", "swarm-manager", "swarm-x"),
    admission: fc.constantFrom("active", "suspended", "conflict"),
    role: fc.constantFrom("worker", "manager"),
    known: fc.boolean(),
    late: fc.integer({ min: -2, max: 2 }),
  });
  const record = (admission: "active" | "suspended" | "conflict") =>
    node({
      admission,
      certificates: {
        current: certificate("current"),
        pending: certificate("pending"),
        previous: previous("previous", NOW),
      },
    });
  fc.assert(fc.property(anyCase, (c) => {
    const { organization, unit } = c;
    const { node: _, ...rest } = SOUND;
    const peer = judgePeer({
      ...rest,
      leaf: leaf(c.print, { organization, unit }),
      chain: c.chain,
      now: NOW + c.late,
      ...(c.known && { node: { ...record(c.admission), role: c.role } }),
    });
    const accepted = c.print === "current" || c.print === "pending" ||
      (c.print === "previous" && c.late < 0);
    const sound = c.chain.ok && organization === CLUSTER_ID &&
      unit !== "swarm-x" && c.known && c.admission === "active" && accepted;
    assertEquals(peer.kind === "node", sound);
    if (peer.kind === "node" && peer.role === "manager") {
      assertEquals([unit, c.role], ["swarm-manager", "manager"]);
    }
  }));
});

Deno.test("judgeClaim() lets through what is worth a look, and admits nobody", () => {
  const { clusterId } = SOUND;
  const claim = (change: Parameters<typeof leaf>[1], version: 1 | 3 = 3) =>
    judgeClaim({ ...leaf("x", change), version }, { clusterId, node: node() });
  assertEquals(claim({}), undefined);
  // Whatever its dates, its role, and the standing of its node.
  assertEquals(claim({ notAfter: 0 }), undefined);
  assertEquals(claim({ role: "manager" }), undefined);
  const suspended = node({ admission: "suspended" });
  const { clusterId: id } = SOUND;
  assertEquals(
    judgeClaim(leaf("x"), { clusterId: id, node: suspended }),
    undefined,
  );
  const cases: readonly [Peer | undefined, string][] = [
    [claim({ organization: "d".repeat(25) }), "foreign-cluster"],
    [claim({ unit: "swarm-admin" }), "unverified-chain"],
    [claim({}, 1), "unverified-chain"],
    [judgeClaim(leaf("x"), { clusterId }), "unknown-node"],
  ];
  for (const [peer, code] of cases) {
    assertEquals(peer && short(peer), `refused: ${code}`);
  }
});
