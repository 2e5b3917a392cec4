import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { toBase64 } from "../../lib/base/bytes.ts";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import { revokeToken } from "../../lib/cluster/tokens.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import type { Outcome } from "../../lib/manager/issuance_orders.ts";
import type { TokenOrder } from "../../lib/manager/tokens.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { turn } from "../fakes/clock.ts";
import { House } from "./house.ts";

const ORDER: TokenOrder = {
  role: "worker",
  lifeMs: HOUR,
  uses: 1,
  by: "operator",
};

async function withToken(change: Partial<TokenOrder> = {}) {
  const house = await House.open();
  const made = await house.tokens.create({ ...ORDER, ...change });
  return { house, ...made, id: made.record.id };
}

function usesLeft(house: House, id: string): number | undefined {
  return house.store.view((view) => view.get("token", id)?.usesLeft);
}

/** Id of the node, or the code of the refusal. */
async function outcome(work: Promise<Outcome>) {
  try {
    const got = await work;
    return "applicant" in got ? got.applicant.nodeId : got.node;
  } catch (error) {
    if (error instanceof SwarmdError) return error.code;
    throw error;
  }
}

function workers(house: House): string[] {
  return house.nodes.filter(({ role }) => role === "worker").map((n) => n.id);
}

Deno.test("Tokens.create() gives a token that is proved and checked like a standing one", async () => {
  const { house, token, record } = await withToken({ role: "manager" });
  const standing = parseJoinToken(await house.tokens.show("worker"));
  const { secret, digest } = parseJoinToken(token);
  assertEquals(digest, standing.digest);
  assertEquals(await house.tokens.check(encodeBase36(secret)), record.id);
  const leafFingerprint = "ab".repeat(32);
  const challenge = { nonce: new Uint8Array(32), leafFingerprint };
  assert(await house.tokens.prove(record.id, challenge));
  assertEquals(record.expiresAt, house.clock.now() + HOUR);
});

Deno.test("Tokens.create() stores no secret", async () => {
  const { house, token } = await withToken();
  const { secret } = parseJoinToken(token);
  const stored = house.store.view((v) => JSON.stringify([...v.list("token")]));
  const entries = await house.store.entries("audit", { after: 0, limit: 99 });
  for (const form of [encodeBase36(secret), String(secret), token]) {
    assertEquals(stored.includes(form), false);
    assertEquals(JSON.stringify(entries).includes(form), false);
  }
});

Deno.test("Tokens.rotate() voids the old standing token at once", async () => {
  const house = await House.open();
  const before = await house.tokens.show("worker");
  const { token, id } = await house.tokens.rotate("worker", "operator");
  assertNotEquals(token, before);
  assertEquals(await house.tokens.show("worker"), token);
  assertEquals(house.cluster.tokens.worker.id, id);
  const secret = (text: string) => encodeBase36(parseJoinToken(text).secret);
  assertEquals(await house.tokens.check(secret(token)), id);
  const old = await house.tokens.check(secret(before)).catch((e) => e.code);
  assertEquals(old, "token-refused");
});

Deno.test("a token lets in exactly as many keys as it has uses, whoever races", async () => {
  const racers = fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 16 });
  const uses = fc.integer({ min: 1, max: 6 });
  await fc.assert(
    fc.asyncProperty(racers, uses, async (order, uses) => {
      const { house, id } = await withToken({ uses });
      const keys: KeyPair[] = [];
      for (let i = 0; i < 8; i++) keys.push(await house.crypto.generateKey());
      const asked = order.map((k) => keys[k]).filter((k) => k !== undefined);
      const got = await Promise.all(
        asked.map((key) => outcome(house.ask(key, { tokenId: id }))),
      );
      const distinct = new Set(order).size;
      const nodes = workers(house);
      assertEquals(nodes.length, Math.min(uses, distinct));
      assertEquals(usesLeft(house, id), uses - nodes.length);
      // One key is one node, and everybody else was told.
      for (const key of new Set(order)) {
        const same = got.filter((_, i) => order[i] === key);
        assertEquals(new Set(same).size, 1);
        assert(same[0] === "token-refused" || nodes.includes(same[0] ?? ""));
      }
    }),
    { numRuns: 40, seed: 7 },
  );
});

Deno.test("a lost answer takes no second use, not even after the last one", async () => {
  const { house, id } = await withToken();
  const key = await house.crypto.generateKey();
  const first = await outcome(house.ask(key, { tokenId: id }));
  assertEquals(usesLeft(house, id), 0);
  assertEquals(await outcome(house.ask(key, { tokenId: id })), first);
  await house.clock.advance(2 * HOUR);
  assertEquals(await outcome(house.ask(key, { tokenId: id })), first);
  assertEquals(usesLeft(house, id), 0);
});

Deno.test("a crash while a node is written takes no use", async () => {
  const { house, id } = await withToken();
  const key = await house.crypto.generateKey();
  house.disk.full = true;
  assertEquals(await outcome(house.ask(key, { tokenId: id })), "disk");
  assertEquals(usesLeft(house, id), 1);
  assertEquals(workers(house), []);
  house.disk.full = false;
  const node = await outcome(house.ask(key, { tokenId: id }));
  assertEquals(workers(house), [node]);
  assertEquals(usesLeft(house, id), 0);
});

Deno.test("a certificate that is issued anew for the same key takes no use", async () => {
  const { house, id } = await withToken({ uses: 2, lifeMs: 200 * DAY });
  const key = await house.crypto.generateKey();
  const first = await house.ask(key, { tokenId: id });
  // Half of its life is over: what is stored would not be given again.
  await house.clock.advance(50 * DAY);
  const second = await house.ask(key, { tokenId: id });
  assert("node" in first && "node" in second);
  assertEquals(second.node, first.node);
  assertNotEquals(second, first);
  assertEquals(usesLeft(house, id), 1);
});

Deno.test("a node that is removed gives no use back, and its key stays out", async () => {
  const { house, id } = await withToken();
  const key = await house.crypto.generateKey();
  const nodeId = await outcome(house.ask(key, { tokenId: id }));
  const now = house.clock.now();
  await house.store.update((tx) =>
    removeNode(tx, { nodeId, by: "operator", why: "lost", now })
  );
  await turn();
  assertEquals(usesLeft(house, id), 0);
  assertEquals(await outcome(house.ask(key, { tokenId: id })), "removed");
  const other = await house.crypto.generateKey();
  assertEquals(
    await outcome(house.ask(other, { tokenId: id })),
    "token-refused",
  );
});

Deno.test("a key that a removed node had by a renewal stays out as well", async () => {
  const { house, id } = await withToken({ uses: 9 });
  const node = await house.addSeenNode();
  const { key } = await house.renew(node);
  const now = house.clock.now();
  await house.store.update((tx) =>
    removeNode(tx, { nodeId: node.id, by: "operator", why: "lost", now })
  );
  await turn();
  assertEquals(await outcome(house.ask(key, { tokenId: id })), "removed");
  assertEquals(usesLeft(house, id), 9);
});

Deno.test("a token that is revoked while a certificate is signed lets nobody in", async () => {
  const { house, id } = await withToken();
  const inner = house.signer;
  house.signer = {
    ...inner,
    issue: async (profile, csr) => {
      const revoked = { id, by: "operator", now: house.clock.now() };
      await house.store.update((tx) => revokeToken(tx, revoked));
      return await inner.issue(profile, csr);
    },
  };
  const key = await house.crypto.generateKey();
  assertEquals(await outcome(house.ask(key, { tokenId: id })), "token-refused");
  assertEquals(workers(house), []);
});

Deno.test("refusals say why only to who proved the secret; strangers hear one text", async () => {
  const { house, token, id } = await withToken({ lifeMs: MINUTE });
  await house.clock.advance(MINUTE);
  const asked = async (secret: string) => {
    const caller = house.connect();
    await caller.hello();
    const key = await house.crypto.generateKey();
    const csr = toBase64(await createCsr(house.crypto, key));
    const description = { hostname: "h", os: "", arch: "", version: "" };
    const answer = await caller.ask("join", { secret, csr, description });
    return answer && "error" in answer ? answer.error.message : "";
  };
  const { secret } = parseJoinToken(token);
  assertEquals(
    await asked(encodeBase36(secret)),
    "Cannot issue a certificate: the token has expired",
  );
  for (const guess of [id, "0".repeat(25)]) {
    assertEquals(
      await asked(guess),
      "Cannot join: the token is not valid in this cluster",
    );
  }
});
