import { assert, assertEquals, assertRejects } from "@std/assert";
import { MINUTE } from "../../lib/base/time.ts";
import { audit, type AuditRecord } from "../../lib/cluster/audit.ts";
import { ChainWalk } from "../../lib/cluster/audit_chain.ts";
import {
  judgeSignature,
  type SignedHead,
} from "../../lib/cluster/audit_head.ts";
import type { Store } from "../../lib/cluster/store.ts";
import { AuditHeads } from "../../lib/manager/audit_heads.ts";
import { sha256 } from "../fakes/sha256.ts";
import { newSession } from "./caller.ts";
import { House } from "./house.ts";
import { opened } from "./present.ts";

Deno.test("AuditHeads signs what the log holds, in the name of this manager", async () => {
  const house = await House.open();
  await house.heads.round();
  const head = await newest(house);
  const { last, walk } = await read(house, head);
  assertEquals(head.sequence, last);
  assertEquals(walk.finish(), undefined);
  assertEquals(head.manager, house.manager.id);
  assertEquals(await judge(house, head), "good");
});

Deno.test("AuditHeads signs again when it is due, and not before", async () => {
  const house = await House.open();
  await house.heads.round();
  const { sequence, at } = await newest(house);
  await note(house, 1);
  await house.heads.round();
  assertEquals((await newest(house)).sequence, sequence);
  await house.clock.advance(10 * MINUTE);
  await house.heads.round();
  const next = await newest(house);
  assertEquals([next.sequence, next.at], [sequence + 1, at + 10 * MINUTE]);
  await note(house, 100);
  await house.heads.round();
  assertEquals((await newest(house)).sequence, sequence + 101);
});

Deno.test("AuditHeads seals the end of the log when the manager stops", async () => {
  const house = await House.open();
  await house.heads.round();
  const { sequence } = await newest(house);
  const { commits } = house.disk;
  await house.heads.seal();
  assertEquals(house.disk.commits, commits);
  await note(house, 1);
  await house.heads.seal();
  assertEquals((await newest(house)).sequence, sequence + 1);
});

Deno.test("AuditHeads tries again a minute after a full disk", async () => {
  const house = await House.open();
  house.disk.full = true;
  await assertRejects(() => house.heads.round());
  house.disk.full = false;
  await house.heads.round();
  assertEquals(house.heads.newest, undefined);
  await house.clock.advance(MINUTE);
  await house.heads.round();
  assert(house.heads.newest);
  assertEquals(house.heads.alarm, undefined);
});

const CHANGED: readonly (readonly [string, (log: AuditRecord[]) => void])[] = [
  ["an entry that it signed was changed", (log) => {
    const last = log.at(-1);
    if (last) log[log.length - 1] = { ...last, by: "nobody" };
  }],
  ["the entry that it signed is gone", (log) => log.length = 1],
];

for (const [what, change] of CHANGED) {
  Deno.test(`AuditHeads does not vouch for a log any more when ${what}`, async () => {
    const house = await House.open();
    await house.heads.round();
    const before = await newest(house);
    const entries = await all(house.store);
    change(entries);
    const heads = new AuditHeads({
      ...house,
      store: holding(house.store, entries),
      nodeId: house.manager.id,
      serving: () => house.serving,
    });
    await house.clock.advance(10 * MINUTE);
    await note(house, 1);
    await heads.round();
    await house.clock.advance(10 * MINUTE);
    await heads.round();
    assertEquals(heads.newest, before);
    assert(heads.alarm?.includes("audit verify"));
    const errors = house.logged.filter(({ level }) => level === "error");
    assertEquals(errors.map(({ message }) => message), [heads.alarm]);
  });
}

Deno.test("judgeSignature() tells forged heads from those of another root", async () => {
  const house = await House.open();
  await house.heads.round();
  const head = await newest(house);
  const other = await House.open({ label: "other" });
  await other.heads.round();
  const foreign = await newest(other);
  const { certificate } = foreign;
  const forged: Partial<SignedHead>[] = [
    { sequence: head.sequence + 1 },
    { hash: "00".repeat(32) },
    { at: head.at + 1 },
    { manager: other.manager.id },
    { certificate },
    { certificate: "AAAA" },
    { certificate: "?" },
    { signature: foreign.signature },
    { signature: "?" },
  ];
  for (const change of forged) {
    assertEquals(await judge(house, { ...head, ...change }), "forged");
  }
  assertEquals(await judge(house, foreign), "forged");
  const anchors = [other.authority.root];
  const { id: clusterId } = house.cluster;
  const verdict = judgeSignature(house.crypto, { head, clusterId, anchors });
  assertEquals(await verdict, "other-root");
});

Deno.test("A head goes to each session once, with a beat, and is kept as the node says", async () => {
  const { house, caller, node } = await opened();
  const beat = { method: "heartbeat", params: { now: house.clock.now() } };
  caller.send(beat);
  await house.clock.advance(1);
  assertEquals(caller.pushes("audit.head"), []);
  await house.heads.round();
  for (let i = 0; i < 3; i++) {
    caller.send(beat);
    await house.clock.advance(1);
  }
  const head = await newest(house);
  assertEquals(caller.pushes("audit.head"), [{ ...head }]);
  await caller.tell("audit.kept", { ...head });
  assertEquals(house.desk.sessions.of(node.id)?.keptHead, head);
  // Of another manager's log it says nothing.
  const foreign = { ...head, manager: house.newId(), sequence: 99 };
  await caller.tell("audit.kept", foreign);
  assertEquals(house.desk.sessions.of(node.id)?.keptHead, head);
});

Deno.test("A node is told one head a minute, and the last one when the manager stops", async () => {
  const { house, caller } = await opened();
  const beat = async () => {
    caller.send({ method: "heartbeat", params: { now: house.clock.now() } });
    await house.clock.advance(1);
    return caller.pushes("audit.head").map((head) => Number(head.sequence));
  };
  await house.heads.round();
  const first = await newest(house);
  assertEquals(await beat(), [first.sequence]);
  for (let i = 0; i < 3; i++) {
    await note(house, 100);
    await house.heads.round();
    assertEquals(await beat(), [first.sequence]);
  }
  await house.clock.advance(MINUTE);
  const second = (await newest(house)).sequence;
  assertEquals(await beat(), [first.sequence, second]);
  await note(house, 100);
  await house.heads.round();
  house.desk.tellHeads();
  await house.clock.advance(1);
  const told = caller.pushes("audit.head").length;
  assertEquals(told, 3);
});

Deno.test("A full disk stops issuing, not serving", async () => {
  const { house, caller, node } = await opened();
  await house.heads.round();
  const before = await all(house.store);
  house.disk.full = true;
  const refused = await assertRejects(() => house.renew(node));
  assert(refused instanceof Error && refused.message.includes("fake is full"));
  await assertRejects(() => house.addNode());
  // The session goes on, beats are answered, and others come back.
  const { length } = caller.pushes("heartbeat");
  caller.send({ method: "heartbeat", params: { now: house.clock.now() } });
  await house.clock.advance(1);
  assertEquals(caller.pushes("heartbeat").length, length + 1);
  const again = house.connect(node.chain);
  const hello = await again.hello(newSession(house.newId()));
  assert(hello && "result" in hello, Deno.inspect(hello));
  assertEquals(await all(house.store), before);
  house.disk.full = false;
  await house.renew(node);
  const { walk } = await read(house, await newest(house));
  assertEquals(walk.finish(), undefined);
});

async function newest(house: House): Promise<SignedHead> {
  const head = house.heads.newest;
  if (head) return await Promise.resolve(head);
  throw new Error("No head was signed");
}

async function judge(house: House, head: SignedHead) {
  const anchors = [house.authority.root];
  const { id: clusterId } = house.cluster;
  return await judgeSignature(house.crypto, { head, clusterId, anchors });
}

async function all(store: Store): Promise<AuditRecord[]> {
  return [...await store.entries("audit", { after: 0, limit: 1_000 })];
}

/** Follows the chain, past a head. */
async function read(house: House, head: SignedHead) {
  const walk = new ChainWalk({
    sha256: (data) => Promise.resolve(sha256(data)),
    anchors: [{ ...head, source: "the head" }],
  });
  const entries = await all(house.store);
  assertEquals(await walk.read(entries), undefined);
  return { walk, last: entries.length };
}

async function note(house: House, count: number): Promise<void> {
  await house.store.update((tx) => {
    for (let i = 0; i < count; i++) {
      audit(tx, { at: i, action: "issued", by: "operator" });
    }
  });
}

/** The store, as if somebody had changed the log in its file. */
function holding(store: Store, entries: readonly AuditRecord[]): Store {
  return {
    get fault() {
      return store.fault;
    },
    view: (look) => store.view(look),
    update: (change) => store.update(change),
    entries: (_log, { after, limit }) =>
      Promise.resolve(
        entries.filter(({ sequence }) => sequence > after)
          .slice(0, limit) as never,
      ),
    watch: (listener) => store.watch(listener),
    erase: () => store.erase(),
    close: () => store.close(),
  };
}
