import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { Tokens } from "../../lib/manager/tokens.ts";
import {
  parseJoinToken,
  proveToken,
  tokenId,
  tokenKey,
} from "../../lib/pki/join_token.ts";
import { rootDigest } from "../../lib/pki/root_digest.ts";
import { House } from "./house.ts";

const PRINT = "ab".repeat(32);

async function shown(house: House, role: "worker" | "manager" = "worker") {
  return parseJoinToken(await house.tokens.show(role));
}

Deno.test("Tokens.show() gives a token of the root, for each role another", async () => {
  const house = await House.open();
  const [worker, manager] = [await shown(house), await shown(house, "manager")];
  const { der } = house.authority.root;
  assertEquals(worker.digest, await rootDigest(house.crypto, der));
  assertEquals(manager.digest, worker.digest);
  assertNotEquals(manager.secret, worker.secret);
  assertEquals(await shown(house), worker);
});

Deno.test("Tokens.show() needs the key that sealed the secret", async () => {
  const house = await House.open();
  const rings = [
    new Map(),
    new Map([[2, house.clusterKey]]),
    new Map([[1, new Uint8Array(32)]]),
  ];
  for (const keyRing of rings) {
    const tokens = new Tokens({ ...house, keyRing });
    const error = await assertRejects(() => tokens.show("worker"), SwarmdError);
    assertEquals(error.code, "damaged-state");
  }
});

Deno.test("Tokens.prove() answers each challenge with another proof", async () => {
  const house = await House.open();
  const { secret } = await shown(house);
  const id = await tokenId(house.crypto, secret);
  const key = await tokenKey(house.crypto, secret);
  const nonces = [house.random.bytes(32), house.random.bytes(32)];
  const proofs: string[] = [];
  for (const nonce of nonces) {
    for (const leafFingerprint of [PRINT, "cd".repeat(32)]) {
      const proof = await house.tokens.prove(id, { nonce, leafFingerprint });
      const want = await proveToken(house.crypto, {
        key,
        nonce,
        leafFingerprint,
      });
      assertEquals(proof, want);
      proofs.push(String(proof));
    }
  }
  assertEquals(new Set(proofs).size, 4);
});

Deno.test("Tokens.prove() says nothing of a token that is not known", async () => {
  const house = await House.open();
  const other = await House.open({ label: "other" });
  const { secret } = await shown(other);
  const challenge = { nonce: new Uint8Array(32), leafFingerprint: PRINT };
  const ids = [await tokenId(house.crypto, secret), "0".repeat(25), ""];
  for (const id of ids) {
    assertEquals(await house.tokens.prove(id, challenge), undefined);
  }
});

Deno.test("Tokens.check() gives the id of the token of a role", async () => {
  const house = await House.open();
  for (const role of ["worker", "manager"] as const) {
    const { secret } = await shown(house, role);
    const id = await house.tokens.check(encodeBase36(secret));
    assertEquals(id, house.cluster.tokens[role].id);
  }
});

Deno.test("Tokens.check() refuses every other secret, and never quotes it", async () => {
  const house = await House.open();
  const other = await House.open({ label: "other" });
  const secrets = [
    encodeBase36((await shown(other)).secret),
    // The public id is no secret.
    house.cluster.tokens.worker.id,
    "0".repeat(25),
    // More than 16 bytes: no secret at all.
    "z".repeat(25),
  ];
  for (const secret of secrets) {
    const error = await assertRejects(
      () => house.tokens.check(secret),
      SwarmdError,
    );
    assertEquals([error.code, error.verdict], ["token-refused", "stop"]);
    assert(!error.message.includes(secret));
  }
});

Deno.test("Tokens.check() admits by the stored hash, not by the public id", async () => {
  const house = await House.open();
  const { secret } = await shown(house);
  const { cluster } = house;
  const { worker } = cluster.tokens;
  const key = toBase64(house.random.bytes(32));
  const tokens = { ...cluster.tokens, worker: { ...worker, key } };
  await house.store.update((tx) => {
    tx.put("cluster", CLUSTER, { ...cluster, tokens });
  });
  const error = await assertRejects(
    () => house.tokens.check(encodeBase36(secret)),
    SwarmdError,
  );
  assertEquals(error.code, "token-refused");
});

Deno.test("the records of a cluster hold no secret in the clear", async () => {
  const house = await House.open();
  const { secret } = await shown(house);
  const text = JSON.stringify(house.cluster);
  for (const form of [encodeBase36(secret), String(secret)]) {
    assert(!text.includes(form));
  }
  const pkcs8 = await house.crypto.exportPkcs8(house.authority.key);
  assert(!text.includes(String(pkcs8)));
  assertEquals(house.cluster.root.key?.version, 1);
});
