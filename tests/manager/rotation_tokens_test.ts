import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { MINUTE } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { AUTHORITY, foreignRoot, reading } from "./foreign_root.ts";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { Running } from "./running.ts";

/** Under a foreign root, with a second manager that is off. */
async function foreignHouse() {
  const house = await House.open();
  const source = await foreignRoot(house, "Corporate");
  reading(house, () => Promise.resolve(source));
  const running = await Running.start(house);
  await running.manager.rotation.start({ authority: AUTHORITY });
  await house.clock.advance(2 * MINUTE);
  assertEquals(house.cluster.root.generation, 2);
  const { id } = await house.addSeenNode("manager");
  return { house, running, off: id };
}

/** The second manager trusts both roots, and holds what comes next. */
async function toSwitching(
  { house, running, off }: Awaited<ReturnType<typeof foreignHouse>>,
): Promise<void> {
  await running.manager.rotation.start({ trustFirst: true });
  const { both = "" } = house.cluster.rotation ?? {};
  await house.change(off, { trusts: both });
  await house.clock.advance(MINUTE);
  assertEquals(house.cluster.rotation?.phase, "switching");
}

async function applicantOf(house: House, tokenId: string) {
  const key = await house.crypto.generateKey();
  await house.ask(key, { tokenId });
  const applicant = house.store.view((view) =>
    [...view.list("applicant")].find((each) => each.tokenId === tokenId)
  );
  return {
    id: applicant?.nodeId ?? "",
    ask: () => house.ask(key, { tokenId }),
    verdict: () =>
      house.store.view((view) =>
        view.get("applicant", applicant?.spki ?? "")?.verdict
      ),
  };
}

Deno.test("RotationDesk leaves a token disabled that was, into switching, out of it, and when the root is cut off", async () => {
  const opened = await foreignHouse();
  const { house } = opened;
  await using running = opened.running;
  await operate(running, "tokens/disable", { role: "worker" });
  const { worker: off } = house.cluster.tokens;
  const managers = new Set([house.cluster.tokens.manager.id]);
  const assertOff = async (replaced: number) => {
    assertEquals(house.cluster.tokens.worker, off);
    const shown = house.tokens.show("worker");
    await assertRejects(() => shown, SwarmdError, "is disabled");
    const joined = house.addNode("worker");
    await assertRejects(() => joined, SwarmdError, "is disabled");
    managers.add(house.cluster.tokens.manager.id);
    assertEquals(managers.size, 1 + replaced);
  };
  await toSwitching(opened);
  await assertOff(1);
  await operate(running, "ca/abort");
  await house.clock.advance(MINUTE);
  assertEquals(house.cluster.rotation, undefined);
  await assertOff(2);
  await running.manager.rotation.cutOff({ cutAll: true });
  await assertOff(3);
  await operate(running, "tokens/rotate", { role: "worker" });
  assertNotEquals(house.cluster.tokens.worker.id, off.id);
  await house.addNode("worker");
});

Deno.test("RotationDesk rejects who waits by a standing token that it replaces, accepted or not", async () => {
  const opened = await foreignHouse();
  const { house } = opened;
  await using running = opened.running;
  await operate(running, "cluster/update", { requireApproval: true });
  const { tokens } = house.cluster;
  const waits = await applicantOf(house, tokens.worker.id);
  const accepted = await applicantOf(house, tokens.manager.id);
  await operate(running, "nodes/accept", { id: accepted.id });
  const order = { role: "worker", lifeMs: 60 * MINUTE, uses: 1 };
  const created = await operate(running, "tokens/create", order);
  const stays = await applicantOf(house, String(created.id));
  await toSwitching(opened);
  const verdicts = () =>
    [waits, accepted, stays].map(({ verdict }) => verdict());
  assertEquals(verdicts(), ["rejected", "rejected", undefined]);
  for (const { ask } of [waits, accepted]) {
    await assertRejects(ask, SwarmdError, "not valid");
  }
  const late = await applicantOf(house, house.cluster.tokens.worker.id);
  await running.manager.rotation.cutOff({ cutAll: true });
  assertEquals([stays.verdict(), late.verdict()], ["rejected", "rejected"]);
  const entries = await house.store.entries("audit", { after: 0, limit: 100 });
  assertEquals(
    entries.filter(({ action }) => action === "rejected").map((each) => [
      each.by,
      each.why,
    ]),
    [
      ["manager", "its token was rotated"],
      ["manager", "its token was rotated"],
      ["operator", "the root was cut off as compromised"],
      ["operator", "the root was cut off as compromised"],
    ],
  );
});
