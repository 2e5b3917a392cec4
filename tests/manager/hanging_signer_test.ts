import { assert, assertEquals, assertFalse } from "@std/assert";
import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { SECOND } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { Signer } from "../../lib/pki/signer.ts";
import { newSession } from "./caller.ts";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { opened } from "./present.ts";
import { Running } from "./running.ts";

/** A signer whose answers come when the test says so. */
function slowed(signer: Signer): { signer: Signer; gates: (() => void)[] } {
  const gates: (() => void)[] = [];
  return {
    gates,
    signer: {
      ...signer,
      issue: async (profile, csr) => {
        const answer = signer.issue(profile, csr);
        await new Promise<void>((resolve) => gates.push(resolve));
        return await answer;
      },
    },
  };
}

Deno.test("W19: a signer that hangs holds up who asked for a certificate, and nothing else", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const [one, other, gone] = [
    await house.addNode(),
    await house.addNode(),
    await house.addNode(),
  ];
  const { signer, gates } = slowed(house.signer);
  house.signer = signer;
  const caller = running.connect(one.chain);
  await caller.hello(newSession(house.newId()));
  await house.clock.advance(120 * SECOND);
  const again = running.connect(one.chain);
  await again.hello(newSession(house.newId()));
  const key = await house.crypto.generateKey();
  const csr = toBase64(await createCsr(house.crypto, key));
  assertEquals(await again.askInSession("node.renew", { csr }), undefined);
  assertEquals(gates.length, 1);
  // Meanwhile others come, are removed, and the root is shown.
  const second = running.connect(other.chain);
  const hello = await second.hello(newSession(house.newId()));
  assert(hello && "result" in hello);
  second.send({ method: "heartbeat", params: { now: house.clock.now() } });
  await house.clock.advance(SECOND);
  assert(second.pushes("heartbeat").length > 0);
  await operate(running, "nodes/remove", { id: gone.id, force: true });
  assertFalse(house.nodes.some(({ id }) => id === gone.id));
  assertEquals((await running.get("/v1/status")).status, 200);
  gates.forEach((open) => open());
  await house.clock.advance(SECOND);
  assert(house.node(one.id).certificates.pending);
});

Deno.test("W20: of two requests of a node that race, each gets a certificate of its own key, or none", async () => {
  const { house, node } = await opened();
  await house.clock.advance(120 * SECOND);
  const { signer, gates } = slowed(house.signer);
  house.signer = signer;
  const keys = [
    await house.crypto.generateKey(),
    await house.crypto.generateKey(),
  ];
  const asked = keys.map(async (key) => {
    const csr = await createCsr(house.crypto, key);
    const request = { csr, nodeId: node.id, by: node.id };
    return await house.issuance.renew(request).catch((error) => error.code);
  });
  // One waits for the other: nothing is signed that is not recorded.
  for (const turn of [0, 1]) {
    for (let i = 0; i < 20 && gates.length <= turn; i++) {
      await house.clock.advance(1);
    }
    assertEquals(gates.length, turn + 1);
    gates[turn]?.();
  }
  const answers = await Promise.all(asked);
  const { pending } = house.node(node.id).certificates;
  let counts = 0;
  for (const [i, answer] of answers.entries()) {
    if (typeof answer === "string") {
      assertEquals(answer, "too-busy");
      continue;
    }
    const der = fromBase64(answer.chain[0]);
    const leaf = await readCertificate(house.crypto, der);
    assertEquals(leaf.spki, keys[i]?.spki);
    if (leaf.fingerprint === pending?.fingerprint) counts++;
  }
  assertEquals(counts, 1);
});
