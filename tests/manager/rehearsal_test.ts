import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import type { RotationWish } from "../../lib/manager/rotation_orders.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { turn } from "../fakes/clock.ts";
import { Fleet } from "../worker/fleet.ts";
import type { Caller } from "./caller.ts";
import { AUTHORITY, foreignRoot, reading } from "./foreign_root.ts";
import { House } from "./house.ts";
import { present } from "./present.ts";
import { Running } from "./running.ts";

/** Which rehearsal a node was asked to take part in. */
function askedIn({ received }: Caller): string {
  for (const message of received) {
    if (!("method" in message) || message.method !== "node.rehearse-now") {
      continue;
    }
    return String((message.params as Record<string, unknown>)["rehearsal"]);
  }
  throw new Error("It was not asked");
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SwarmdError)).code;
}

async function newCsr(house: House): Promise<string> {
  const key = await house.crypto.generateKey();
  return toBase64(await createCsr(house.crypto, key));
}

Deno.test("RehearsalDesk signs once for each node that was asked, and for nobody else", async () => {
  const house = await House.open();
  const { caller, node } = await present(house);
  const other = await house.addSeenNode();
  const csr = await newCsr(house);
  const { rehearsal: desk } = house;
  const none = { rehearsal: house.newId(), csr };
  assertEquals(await codeOf(desk.serve(node.id, none)), "not-found");
  const running = desk.run();
  await turn();
  const asked = { rehearsal: askedIn(caller), csr };
  assertEquals(await codeOf(desk.serve(other.id, asked)), "too-busy");
  const before = house.node(node.id);
  const answer = await desk.serve(node.id, asked);
  assertEquals(answer.node, node.id);
  assertEquals(await codeOf(desk.serve(node.id, asked)), "too-busy");
  assertEquals(await codeOf(desk.run()), "too-busy");
  desk.told(node.id, { rehearsal: asked.rehearsal, problem: "no" });
  assertEquals(await running, {
    ready: 0,
    problems: [{ node: node.id, reason: "no" }],
    absent: [other.id],
  });
  // Nothing of it is known: the certificate is worth nothing.
  assertEquals(house.node(node.id), before);
});

Deno.test("RehearsalDesk does not wait for ever, and says who did not answer", async () => {
  const house = await House.open();
  const { node } = await present(house);
  const running = house.rehearsal.run();
  await turn();
  await house.clock.advance(MINUTE);
  const { ready, problems } = await running;
  assertEquals([ready, problems.length], [0, 1]);
  assertEquals(problems[0]?.node, node.id);
  assert(problems[0]?.reason.includes("did not answer"));
});

/** What a manager's node is given in a rehearsal. */
async function rehearsedChain(house: House, wish: RotationWish) {
  const { caller, node } = await present(house, await house.addNode("manager"));
  const running = house.rehearsal.run(wish);
  for (let i = 0; i < 20; i++) await turn();
  const rehearsal = askedIn(caller);
  const csr = await newCsr(house);
  const { chain } = await house.rehearsal.serve(node.id, { rehearsal, csr });
  house.rehearsal.told(node.id, { rehearsal });
  await house.clock.advance(MINUTE);
  await running;
  return await Promise.all(
    chain.map((der) => readCertificate(house.crypto, fromBase64(der))),
  );
}

function assertHarmless(
  house: House,
  [leaf]: Awaited<ReturnType<typeof rehearsedChain>>,
): void {
  assertEquals(leaf?.subject.organizationalUnit, "swarm-worker");
  assertEquals(leaf?.dnsNames.includes("swarm-manager"), false);
  assert((leaf?.notAfter ?? Infinity) <= house.clock.now() + HOUR);
}

Deno.test("W24: RehearsalDesk makes nobody a manager, and nothing that lasts", async () => {
  const house = await House.open({ leafLifeMs: 90 * DAY });
  const chain = await rehearsedChain(house, {});
  assertHarmless(house, chain);
  assertEquals(chain.length, 2);
  assert((chain[1]?.notAfter ?? Infinity) <= house.clock.now() + HOUR);
});

Deno.test("W24: RehearsalDesk signs with the present root what does not last, and for no manager", async () => {
  const house = await House.open({ leafLifeMs: 90 * DAY });
  const source = await foreignRoot(house, "Corporate");
  reading(house, () => Promise.resolve(source));
  {
    await using fleet = new Fleet(house, await Running.start(house));
    await fleet.running.manager.rotation.start({ authority: AUTHORITY });
    await fleet.pass(2 * MINUTE);
  }
  assertEquals(house.cluster.root.certificate, toBase64(source.anchor.der));
  assertHarmless(house, await rehearsedChain(house, { trustFirst: true }));
});
