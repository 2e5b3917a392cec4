import { assert, assertEquals, assertRejects } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { MINUTE } from "../../lib/base/time.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { turn } from "../fakes/clock.ts";
import type { Caller } from "./caller.ts";
import { House } from "./house.ts";
import { present } from "./present.ts";

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
