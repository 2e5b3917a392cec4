import { assertEquals } from "@std/assert";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { CreatedToken } from "../../lib/cluster/created_token.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import {
  addToken,
  disableStanding,
  findEndedTokens,
  MAX_CREATED_TOKENS,
  replaceAllStanding,
  replaceStanding,
  revokeToken,
  stateOf,
  takeUse,
  tokenFacts,
  type TokenState,
  voidTokens,
} from "../../lib/cluster/tokens.ts";
import { enqueue } from "../../lib/cluster/waiting.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { applicant } from "./applicants.ts";
import { cluster, NOW } from "./samples.ts";

const BY = { by: "operator", now: NOW };

function token(change: Partial<CreatedToken> = {}): CreatedToken {
  return {
    id: "created",
    key: "hash",
    role: "worker",
    createdAt: NOW,
    expiresAt: NOW + HOUR,
    usesLeft: 2,
    ...change,
  };
}

async function withCluster(...tokens: CreatedToken[]): Promise<Store> {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    tx.put("cluster", CLUSTER, cluster());
    for (const each of tokens) tx.put("token", each.id, each);
  });
  return store;
}

function kept(store: Store): CreatedToken[] {
  return store.view((view) => [...view.list("token")]);
}

async function audited(store: Store): Promise<(string | undefined)[][]> {
  const entries = await store.entries("audit", { after: 0, limit: 100 });
  return entries.map(({ action, by, why }) => [action, by, why]);
}

async function refused(work: Promise<unknown>): Promise<string> {
  const result = await work.catch((error) => error);
  return result instanceof SwarmdError ? result.code : "nothing";
}

Deno.test("stateOf() says whether a created token lets nodes in, and if not, why", () => {
  const cases: [Partial<CreatedToken>, number, TokenState][] = [
    [{}, NOW, "active"],
    [{}, NOW + HOUR - 1, "active"],
    [{}, NOW + HOUR, "expired"],
    [{ usesLeft: 0 }, NOW, "used-up"],
    [{ usesLeft: 0 }, NOW + HOUR, "expired"],
    [{ revokedAt: NOW }, NOW, "revoked"],
    [{ revokedAt: NOW, usesLeft: 0 }, NOW + HOUR, "revoked"],
  ];
  for (const [change, now, want] of cases) {
    assertEquals(stateOf(token(change), now), want);
  }
});

Deno.test("tokenFacts() knows the standing tokens, the created one, and no other", () => {
  const off = cluster();
  const { worker } = off.tokens;
  const disabled = {
    ...off,
    tokens: { ...off.tokens, worker: { ...worker, disabledAt: NOW } },
  };
  const of = (tokenId: string, more: { created?: CreatedToken } = {}) =>
    tokenFacts({ cluster: off, tokenId, now: NOW, ...more });
  const inDisabled = (tokenId: string) =>
    tokenFacts({ cluster: disabled, tokenId, now: NOW })?.state;
  assertEquals(of("token worker"), { role: "worker", state: "active" });
  assertEquals(of("token manager"), { role: "manager", state: "active" });
  assertEquals(inDisabled("token worker"), "disabled");
  assertEquals(inDisabled("token manager"), "active");
  const created = token({ role: "manager", name: "m" });
  assertEquals(of("created", { created }), {
    role: "manager",
    state: "active",
    name: "m",
  });
  assertEquals(of("created"), undefined);
  assertEquals(of(""), undefined);
});

Deno.test("addToken() keeps a bounded number; those that ended make room", async () => {
  const many = Array.from(
    { length: MAX_CREATED_TOKENS },
    (_, i) => token({ id: `t${i}` }),
  );
  const store = await withCluster(...many);
  const add = (id: string) =>
    store.update((tx) => addToken(tx, token({ id }), BY));
  assertEquals(await refused(add("one more")), "precondition");
  assertEquals(kept(store).length, MAX_CREATED_TOKENS);
  await store.update((tx) => {
    tx.put("token", "t1", token({ id: "t1", usesLeft: 0 }));
    tx.put("token", "t2", token({ id: "t2", revokedAt: NOW }));
  });
  await add("one more");
  const ids = kept(store).map(({ id }) => id);
  assertEquals(ids.length, MAX_CREATED_TOKENS - 1);
  assertEquals(ids.includes("t1") || ids.includes("t2"), false);
});

Deno.test("addToken() audits what was made, without its hash", async () => {
  const store = await withCluster();
  await store.update((tx) => addToken(tx, token(), BY));
  assertEquals(await audited(store), [[
    "token-made",
    "operator",
    "token created: worker, 2 uses until 2026-01-01T01:00:00Z",
  ]]);
});

Deno.test("revokeToken() ends a created token and rejects who waits by it", async () => {
  const store = await withCluster(token(), token({ id: "other" }));
  await store.update((tx) => {
    enqueue(tx, applicant("a", { tokenId: "created" }));
    enqueue(tx, applicant("b", { tokenId: "other" }));
  });
  const revoke = (id: string) =>
    store.update((tx) => revokeToken(tx, { ...BY, id }));
  await revoke("created");
  const [created, other] = kept(store);
  assertEquals([created?.revokedAt, other?.revokedAt], [NOW, undefined]);
  const verdicts = store.view((view) =>
    [...view.list("applicant")].map(({ verdict }) => verdict)
  );
  assertEquals(verdicts, ["rejected", undefined]);
  const before = (await audited(store)).length;
  await revoke("created");
  assertEquals((await audited(store)).length, before);
  assertEquals(await refused(revoke("nobody's")), "not-found");
  assertEquals(await refused(revoke("token worker")), "precondition");
});

Deno.test("takeUse() counts created tokens down, and leaves standing ones alone", async () => {
  const store = await withCluster(token());
  await store.update((tx) => {
    takeUse(tx, "created");
    takeUse(tx, "token worker");
  });
  assertEquals(kept(store).map(({ usesLeft }) => usesLeft), [1]);
});

Deno.test("replaceStanding() and disableStanding() void a token with its queue", async () => {
  const store = await withCluster();
  const standing = () =>
    store.view((view) => view.get("cluster", CLUSTER)?.tokens);
  await store.update((tx) => {
    enqueue(tx, applicant("a", { tokenId: "token worker" }));
    enqueue(tx, applicant("b", { tokenId: "token manager" }));
    disableStanding(tx, { ...BY, role: "worker" });
    disableStanding(tx, { ...BY, role: "worker" });
  });
  assertEquals(standing()?.worker.disabledAt, NOW);
  assertEquals(standing()?.manager.disabledAt, undefined);
  const next = { ...cluster().tokens.worker, id: "next", createdAt: NOW };
  await store.update((tx) => {
    replaceStanding(tx, { ...BY, role: "worker", token: next });
    replaceStanding(tx, { ...BY, role: "manager", token: next });
  });
  assertEquals(standing()?.worker, next);
  const verdicts = store.view((view) =>
    [...view.list("applicant")].map(({ verdict }) => verdict)
  );
  assertEquals(verdicts, ["rejected", "rejected"]);
  const actions = (await audited(store)).map(([action]) => action);
  assertEquals(actions, [
    ...["waiting", "waiting", "token-revoked", "rejected"],
    ...["token-rotated", "token-rotated", "rejected"],
  ]);
});

/** Standing tokens that were made for another root. */
function nextTokens() {
  const { worker, manager } = cluster().tokens;
  return {
    worker: { ...worker, id: "next worker" },
    manager: { ...manager, id: "next manager" },
  };
}

function standingOf(store: Store) {
  return store.view((view) => view.get("cluster", CLUSTER)?.tokens);
}

function verdictsOf(store: Store) {
  return store.view((view) =>
    [...view.list("applicant")].map(({ verdict }) => verdict)
  );
}

Deno.test("replaceAllStanding() leaves a token disabled that was, and replaces the other with its queue", async () => {
  for (const role of ["worker", "manager"] as const) {
    const store = await withCluster(token());
    const other = role === "worker" ? "manager" : "worker";
    await store.update((tx) => disableStanding(tx, { ...BY, role }));
    const off = standingOf(store)?.[role];
    const tokenId = `token ${other}`;
    await store.update((tx) => {
      enqueue(tx, applicant("a", { tokenId }));
      enqueue(tx, applicant("b", { tokenId, verdict: "accepted" }));
      enqueue(tx, applicant("c", { tokenId: "created" }));
    });
    const change = { by: "manager", now: NOW + HOUR, tokens: nextTokens() };
    // As often as the root that joiners pin changes
    for (let i = 0; i < 2; i++) {
      await store.update((tx) => replaceAllStanding(tx, change));
      assertEquals(standingOf(store)?.[role], off);
      assertEquals(standingOf(store)?.[other], nextTokens()[other]);
    }
    assertEquals(off?.disabledAt, NOW);
    // A created token is good again when its root is
    assertEquals(verdictsOf(store), ["rejected", "rejected", undefined]);
    assertEquals(kept(store), [token()]);
    const why = "its token was rotated";
    assertEquals((await audited(store)).slice(4, 7), [
      [
        ...["token-rotated", "manager"],
        `token next ${other}: ${other}, in place of token ${other}`,
      ],
      ["rejected", "manager", why],
      ["rejected", "manager", why],
    ]);
  }
});

Deno.test("voidTokens() rejects everybody who waits, and leaves a token disabled that was", async () => {
  const ended = token({ id: "ended", expiresAt: NOW });
  const store = await withCluster(token(), ended);
  await store.update((tx) => {
    disableStanding(tx, { ...BY, role: "worker" });
    const { tokenId: _, ...recovering } = applicant("r", { kind: "recover" });
    enqueue(tx, applicant("a", { tokenId: "token manager" }));
    enqueue(tx, applicant("b", { tokenId: "created" }));
    enqueue(tx, applicant("c", { tokenId: "ended", verdict: "accepted" }));
    enqueue(tx, recovering);
  });
  const off = standingOf(store)?.worker;
  const order = { ...BY, tokens: nextTokens() };
  await store.update((tx) => voidTokens(tx, order));
  assertEquals(standingOf(store), { ...nextTokens(), worker: off });
  assertEquals(off?.disabledAt, NOW);
  assertEquals(kept(store), []);
  assertEquals(verdictsOf(store), Array(4).fill("rejected"));
  const entries = (await audited(store)).slice(5);
  const why = "the root was cut off as compromised";
  assertEquals(entries, [
    ...Array(4).fill(["rejected", "operator", why]),
    [
      ...["token-rotated", "operator"],
      "token next manager: manager, in place of token manager",
    ],
    ["token-revoked", "operator", "token created"],
    ["token-revoked", "operator", "token ended"],
  ]);
});

Deno.test("findEndedTokens() gives a joiner whose answer was lost a day to ask again", async () => {
  const store = await withCluster(
    token({ id: "a expired", expiresAt: NOW + MINUTE }),
    token({ id: "b revoked", expiresAt: NOW + 9 * DAY, revokedAt: NOW }),
    token({ id: "c used up", expiresAt: NOW + 9 * DAY, usesLeft: 0 }),
  );
  const ended = (now: number) =>
    store.view((view) => findEndedTokens(view, now)).map(({ id }) => id);
  assertEquals(ended(NOW + DAY - 1), []);
  assertEquals(ended(NOW + DAY), ["b revoked"]);
  assertEquals(ended(NOW + DAY + MINUTE), ["a expired", "b revoked"]);
  assertEquals(ended(NOW + 10 * DAY).length, 3);
});
