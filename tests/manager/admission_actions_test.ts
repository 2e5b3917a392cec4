import { assert, assertEquals, assertMatch } from "@std/assert";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import type { Applicant } from "../../lib/cluster/applicant.ts";
import { deny } from "../../lib/cluster/denylist.ts";
import { turn } from "../fakes/clock.ts";
import { House, NOW } from "./house.ts";
import { type Fields, Operated } from "./operated.ts";
import { Running } from "./running.ts";

const ORDER = { role: "worker", lifeMs: HOUR, uses: 1 };

Deno.test("tokens are created within bounds, listed without secrets, and revoked", async () => {
  await using operated = await Operated.start();
  const wrong: Fields[] = [
    { lifeMs: MINUTE - 1 },
    { lifeMs: 365 * DAY + 1 },
    { lifeMs: HOUR + 0.5 },
    { uses: 0 },
    { uses: 100_001 },
    { uses: 1.5 },
    { role: "root" },
    { name: "" },
    { name: "a b" },
    { name: "x".repeat(254) },
  ];
  for (const change of wrong) {
    const order = { ...ORDER, ...change };
    const name = JSON.stringify(change);
    assertEquals(await operated.refusal("tokens/create", order), "usage", name);
  }
  const made = await operated.post("tokens/create", { ...ORDER, name: "edge" });
  assertMatch(String(made["token"]), /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
  const { token, ...facts } = made;
  assertEquals(facts, {
    id: made["id"],
    role: "worker",
    usesLeft: 1,
    expiresAt: "2026-01-01T01:00:00.000Z",
    name: "edge",
  });
  const lines = await operated.get("tokens");
  assertEquals(
    lines.map(({ kind, role, state }) => [kind, role, state]),
    [
      ["standing", "worker", "active"],
      ["standing", "manager", "active"],
      ["created", "worker", "active"],
    ],
  );
  const secret = String(token).slice(-25);
  assertEquals(JSON.stringify(lines).includes(secret), false);
  const id = String(made["id"]);
  const revoked = await operated.post("tokens/revoke", { id: id.slice(0, 9) });
  assertEquals(revoked, { id });
  assertEquals((await operated.get("tokens"))[2]?.["state"], "revoked");
  assertEquals((await operated.ask(id)).first, "token-refused");
});

Deno.test("a standing token is disabled, shown so, and enabled by a rotation", async () => {
  await using operated = await Operated.start();
  const { house } = operated;
  const before = await house.tokens.show("worker");
  const role = "worker";
  assertEquals(await operated.post("tokens/disable", { role }), {
    role,
    state: "disabled",
  });
  const { error } = await operated.get<{ error: Fields }>("tokens/worker");
  assertEquals(error["code"], "precondition");
  assertMatch(String(error["message"]), /worker role is disabled/);
  assertEquals((await operated.ask()).first, "token-refused");
  const { token } = await operated.post("tokens/rotate", { role });
  assert(token !== before);
  assertEquals((await operated.get<Fields>("tokens/worker"))["token"], token);
  assertEquals((await operated.get("tokens"))[0]?.["state"], "active");
  const joined = await operated.ask();
  assert(house.node(joined.first));
});

Deno.test("an operator accepts who waits, by id and key, and rejects others", async () => {
  await using operated = await Operated.start();
  const { house } = operated;
  await operated.post("cluster/update", { requireApproval: true });
  const [a, b] = [await operated.ask(), await operated.ask()];
  assertEquals([a.first, b.first], ["pending", "pending"]);
  const [one, two] = await operated.get("applicants");
  assert(one && two);
  assertEquals(Object.keys(one), [
    ...["id", "fingerprint", "kind", "state", "role", "hostname"],
    ...["address", "token", "since", "why"],
  ]);
  const id = String(one["id"]);
  const fingerprint = String(one["fingerprint"]);
  const accept = (change: Fields) =>
    operated.refusal("nodes/accept", { id, ...change });
  assertEquals(await accept({ fingerprint: fingerprint.slice(0, 7) }), "usage");
  assertEquals(await accept({ fingerprint: "not hex!" }), "usage");
  assertEquals(await accept({ fingerprint: "" }), "usage");
  const other = String(two["fingerprint"]).slice(0, 16);
  assertEquals(await accept({ fingerprint: other }), "precondition");
  assertEquals(await accept({ id: "" }), "usage");
  assertEquals(await a.again(), "pending");
  assertEquals(
    await operated.post("nodes/accept", {
      id: id.slice(0, 12),
      fingerprint: fingerprint.slice(0, 8),
    }),
    { id, fingerprint, state: "accepted" },
  );
  const [waits] = await operated.get("applicants");
  assertEquals(waits?.["state"], "accepted");
  await operated.post("nodes/reject", { id: two["id"] });
  const outcomes = [await a.again(), await b.again()];
  const joined = outcomes.find((each) => each.length === 25);
  assertEquals(joined, id);
  assert(outcomes.includes("rejected"));
  assertEquals(await operated.get("applicants"), []);
  assertEquals(await operated.refusal("nodes/accept", { id }), "precondition");
  assertEquals(
    await operated.refusal("nodes/reject", { id: two["id"] }),
    "precondition",
  );
  assertEquals(
    await operated.refusal("nodes/accept", { id: "?" }),
    "not-found",
  );
  const audited = await house.audited();
  assertEquals(audited.filter((each) => each === "waiting").length, 2);
  assert(audited.includes("accepted") && audited.includes("rejected"));
});

Deno.test("a token is not promised to more machines than it lets in", async () => {
  await using operated = await Operated.start();
  await operated.post("cluster/update", { requireApproval: true });
  const made = await operated.post("tokens/create", { ...ORDER, uses: 2 });
  const askers = [];
  for (let i = 0; i < 3; i++) {
    askers.push(await operated.ask(String(made["id"])));
  }
  const said = [];
  for (const { id } of await operated.get("applicants")) {
    said.push((await operated.post("nodes/accept", { id }))["state"]);
    // Saying it twice promises nothing more.
    await operated.post("nodes/accept", { id });
  }
  assertEquals(said, ["accepted", "accepted", undefined]);
  for (const { again } of askers) await again();
  const got = [];
  for (const { again } of askers) got.push((await again()).length);
  assertEquals(got.toSorted(), ["token-refused".length, 25, 25]);
});

Deno.test("a token that ends takes its queue with it", async () => {
  await using operated = await Operated.start();
  await operated.post("cluster/update", { requireApproval: true });
  const { id } = await operated.post("tokens/create", ORDER);
  const [a, b, c] = [
    await operated.ask(String(id)),
    await operated.ask(),
    await operated.ask(operated.house.cluster.tokens.manager.id),
  ];
  await operated.post("tokens/revoke", { id });
  await operated.post("tokens/rotate", { role: "worker" });
  await operated.post("tokens/disable", { role: "manager" });
  for (const { again } of [a, b, c]) {
    assert(["rejected", "token-refused"].includes(await again()));
  }
  assertEquals(await operated.get("applicants"), []);
});

Deno.test("accept lets a node go on that was in conflict", async () => {
  await using operated = await Operated.start();
  const { house } = operated;
  const { id } = await house.addSeenNode();
  assertEquals(await operated.refusal("nodes/accept", { id }), "precondition");
  await house.change(id, { admission: "conflict" });
  const accept = (fingerprint: string) =>
    operated.post("nodes/accept", { id, fingerprint });
  assertEquals((await accept("0".repeat(64)))["code"], "precondition");
  const spki = house.node(id).certificates.current?.spki ?? "";
  assertEquals(await accept(spki), { id, state: "accepted" });
  assertEquals(house.node(id).admission, "active");
});

/** Somebody who showed a certificate, and waits to recover. */
function recovering(
  nodeId: string,
  { name, notBefore }: { readonly name: string; readonly notBefore: number },
): Applicant {
  return {
    ...{ spki: name.repeat(32), nodeId, role: "worker", kind: "recover" },
    ...{ address: "", why: "w", at: NOW, reason: "newer-than-store" },
    shown: {
      ...{ fingerprint: `print ${name}`, serial: name, notBefore },
      issuerKeyId: "issuer",
    },
  };
}

Deno.test("the manager that is asked stays one, however many there are", async () => {
  const house = await House.open();
  const { id } = house.manager;
  {
    await using operated = new Operated(house, await Running.start(house));
    const other = await house.addSeenNode("manager");
    for (const path of ["suspend", "demote", "remove"]) {
      const said = await operated.post(`nodes/${path}`, { id, force: true });
      assertEquals(said["code"], "precondition", path);
      assertMatch(String(said["message"]), /it is the manager that was asked/);
    }
    await operated.post("nodes/demote", { id: other.id });
    assertEquals(house.node(other.id).role, "worker");
  }
  // Were it older than the manager's own record, it would still be another.
  await house.change((await house.addSeenNode("manager")).id, { createdAt: 0 });
  await using running = await Running.start(house);
  assertEquals(running.manager.nodeId, id);
});

Deno.test("a manager that is to leave says that it is one", async () => {
  await using operated = await Operated.start();
  const { code, message, hint } = await operated.post("leave", {});
  assertEquals(code, "precondition");
  assertEquals(message, "Cannot leave: this node is a manager");
  assertMatch(String(hint), /`swarmd leave` on their own machines/);
});

Deno.test("accept-newer lets in who shows a newer certificate, and lists all others who wait to recover", async () => {
  await using operated = await Operated.start();
  const { house } = operated;
  const [a, b, c, d, e] = await Promise.all(
    Array.from({ length: 5 }, async () => (await house.addSeenNode()).id),
  );
  assert(a && b && c && d && e);
  const { shown: _, ...old } = recovering(e, {
    name: "e1",
    notBefore: NOW + DAY,
  });
  const applicants = [
    recovering(a, { name: "a1", notBefore: NOW + DAY }),
    // The store knows by now of a certificate that is newer than this one.
    recovering(b, { name: "b1", notBefore: NOW - 2 * HOUR }),
    // The clock was set back between the two: this one was replaced.
    recovering(c, { name: "c1", notBefore: NOW + DAY }),
    recovering(d, { name: "d1", notBefore: NOW + DAY }),
    recovering(d, { name: "d2", notBefore: NOW + 2 * DAY }),
    // Written by a version that did not note what was shown.
    old,
  ];
  await house.store.update((tx) => {
    for (const each of applicants) tx.put("applicant", each.spki, each);
    deny(tx, {
      ...{ issuerKeyId: "issuer", serial: "c1", nodeId: c },
      ...{ reason: "superseded", notAfter: NOW + 90 * DAY, deniedAt: NOW },
    });
  });
  const { accepted, left } = await operated.post("nodes/accept-newer", {});
  assertEquals(accepted, [a]);
  const lines = (left as Fields[]).map(({ id, fingerprint, why }) =>
    `${id} ${String(fingerprint).slice(0, 2)} ${why}`
  );
  assertEquals(lines, [
    `${b} b1 its certificate was replaced`,
    `${c} c1 its certificate was replaced`,
    `${d} d1 2 keys wait to be this node`,
    `${d} d2 2 keys wait to be this node`,
    `${e} e1 its certificate is none that a restored store has lost`,
  ]);
  const fingerprint = "d2d2d2d2";
  assertEquals(
    (await operated.post("nodes/accept", { id: d, fingerprint }))["state"],
    "accepted",
  );
});

Deno.test("cluster update counts for the next certificate, and cluster show tells", async () => {
  await using operated = await Operated.start();
  const { house } = operated;
  const after = await operated.post("cluster/update", { leafLifeMs: HOUR });
  assertEquals(after["certExpiryMs"], HOUR);
  assertEquals(await operated.get<Fields>("cluster"), after);
  const node = await house.addNode();
  const { pending } = house.node(node.id).certificates;
  assertEquals((pending?.notAfter ?? 0) - house.clock.now(), HOUR);
  const update = (change: Fields) => operated.refusal("cluster/update", change);
  assertEquals(await update({ leafLifeMs: HOUR - 1 }), "precondition");
  assertEquals(await update({ leafLifeMs: "1h" }), "usage");
  assertEquals(await update({ nothing: true }), "usage");
  assertEquals(await operated.get<Fields>("cluster"), after);
});

Deno.test("Housekeeping forgets tokens that ended, and who waited in vain", async () => {
  await using operated = await Operated.start();
  const { house } = operated;
  await operated.post("cluster/update", { requireApproval: true });
  const { id } = await operated.post("tokens/create", ORDER);
  await operated.ask(String(id));
  const left = () =>
    house.store.view((view) => [view.count("token"), view.count("applicant")]);
  await house.clock.advance(DAY - MINUTE);
  assertEquals(left(), [1, 1]);
  await house.clock.advance(20 * MINUTE);
  await turn();
  assertEquals(left(), [1, 0]);
  await house.clock.advance(HOUR);
  await turn();
  assertEquals(left(), [0, 0]);
});
