import { assertEquals, assertRejects } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { hasCode, SwarmdError } from "../../lib/base/errors.ts";
import { DAY } from "../../lib/base/time.ts";
import {
  type Certificate,
  readCertificate,
} from "../../lib/pki/certificate.ts";
import { crossSign } from "../../lib/pki/cross_sign.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { rootDigest } from "../../lib/pki/root_digest.ts";
import { followPin } from "../../lib/worker/pinned_root.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StreamRandom } from "../fakes/stream_random.ts";

const NOW = Date.UTC(2026, 0, 1);
const CLUSTER = "c".repeat(25);
const crypto = new SimCrypto(new StreamRandom("pins"));
const random = new StreamRandom("roots");

interface Made {
  readonly root: Certificate;
  readonly key: KeyPair;
}

async function made(generation: number): Promise<Made> {
  const key = await crypto.generateKey();
  const der = await createRoot(crypto, { random, now: NOW, generation, key });
  return { root: await readCertificate(crypto, der), key };
}

/** What `ca.root` says of a way from one root to the next. */
async function link(
  from: Made,
  to: Made,
  mark: { generation: number; clusterId?: string; successor?: boolean },
) {
  const { generation, clusterId = CLUSTER, successor = true } = mark;
  const cross = await crossSign(crypto, {
    ...{ clusterId, generation, successor, random, now: NOW, root: to.root },
    ...{ issuer: from.root, issuerKey: from.key.privateKey },
    end: NOW + DAY,
  });
  return { root: toBase64(to.root.der), cross: toBase64(cross) };
}

Deno.test("followPin() follows the links from the root of the token's digest, and nothing else", async () => {
  const [one, two, three] = [await made(1), await made(2), await made(3)];
  const digest = await rootDigest(crypto, one.root.der);
  const follow = (links: Awaited<ReturnType<typeof link>>[], from = one) => {
    const answer = { certificate: toBase64(from.root.der), links };
    return followPin(crypto, { answer, digest, at: NOW });
  };
  const up = await link(one, two, { generation: 2 });
  const further = await link(two, three, { generation: 3 });
  const { end, ...rest } = await follow([up, further]);
  assertEquals(rest, { clusterId: CLUSTER });
  assertEquals([end.root.fingerprint, end.generation], [
    three.root.fingerprint,
    3,
  ]);
  assertEquals(await follow([]), { end: { root: one.root, generation: 0 } });
  const other = { generation: 3, clusterId: "d".repeat(25) };
  const wrong = [
    [[up], two],
    [[further], one],
    [[further, up], one],
    [[up, await link(two, three, { generation: 2 })], one],
    [[up, await link(two, three, other)], one],
    [[await link(one, two, { generation: 2, successor: false })], one],
    [[{ ...up, root: further.root }], one],
  ] as const;
  for (const [links, from] of wrong) {
    const error = await assertRejects(
      () => follow([...links], from),
      SwarmdError,
    );
    assertEquals(hasCode(error, "root-mismatch"), true, error.message);
  }
});
