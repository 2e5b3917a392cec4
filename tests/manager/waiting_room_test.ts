import { assert, assertEquals, assertFalse } from "@std/assert";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import {
  disableStanding,
  replaceAllStanding,
  revokeToken,
  takeUse,
  voidTokens,
} from "../../lib/cluster/tokens.ts";
import { giveWord, listWaiting, type Word } from "../../lib/cluster/waiting.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { MAX_GREETING_FRAME } from "../../lib/rpc/connection.ts";
import { turn } from "../fakes/clock.ts";
import { type Caller, codeOf, resultOf } from "./caller.ts";
import { DESCRIPTION, House, NOW } from "./house.ts";

/** A cluster in which a token alone lets nobody in. */
async function approving(): Promise<House> {
  const house = await House.open();
  await update(house, { requireApproval: true });
  return house;
}

async function update(
  house: House,
  change: Partial<ClusterRecord>,
): Promise<void> {
  const cluster = { ...house.cluster, ...change };
  await house.store.update((tx) => tx.put("cluster", CLUSTER, cluster));
  await turn();
}

interface Application {
  readonly key?: KeyPair;
  /** Default: the standing one. */
  readonly token?: string;
}

/** Asks to join, on a connection of its own. */
async function apply(
  house: House,
  { key, token }: Application = {},
): Promise<Caller> {
  const { secret } = parseJoinToken(token ?? await house.tokens.show("worker"));
  const pair = key ?? await house.crypto.generateKey();
  const params = {
    secret: encodeBase36(secret),
    csr: toBase64(await createCsr(house.crypto, pair)),
    description: DESCRIPTION,
  };
  const caller = house.connect();
  await caller.hello();
  await caller.ask("join", params);
  return caller;
}

/** What came to the one call, which follows `hello`. */
const answerOf = (caller: Caller) => caller.answerTo(2);

function waiting(house: House) {
  return house.store.view((view) => listWaiting(view, house.clock.now()));
}

async function say(house: House, word: Word): Promise<void> {
  const deed = { by: "operator", now: house.clock.now() };
  const applicants = waiting(house);
  await house.store.update((tx) => {
    for (const applicant of applicants) {
      giveWord(tx, { ...deed, applicant, word });
    }
  });
  await turn();
}

Deno.test("WaitingRoom.until() has the call open until an operator accepts, and answers it then", async () => {
  const house = await approving();
  const caller = await apply(house);
  const [applicant] = waiting(house);
  assertEquals(answerOf(caller), undefined);
  assertEquals(
    caller.pushes("pending").map(({ node }) => node),
    [applicant?.nodeId],
  );
  assertFalse(caller.closed);
  assertEquals(house.handlers.waitingRoom.size, 1);
  const before = house.clock.monotonic();
  await say(house, "accepted");
  const { node, chain } = resultOf(answerOf(caller));
  assert(chain);
  assertEquals(node, applicant?.nodeId);
  assertEquals(house.clock.monotonic(), before);
  assert(caller.closed);
  assertEquals(caller.reason, undefined);
  assertEquals(house.handlers.waitingRoom.size, 0);
});

Deno.test("WaitingRoom.until() answers `rejected` when an operator rejects", async () => {
  const house = await approving();
  const caller = await apply(house);
  await say(house, "rejected");
  assertEquals(codeOf(answerOf(caller)), "rejected");
  assertEquals(house.nodes.length, 1);
  assertEquals(house.handlers.waitingRoom.size, 0);
});

Deno.test("WaitingRoom.until() says that it waits about every 30 s, for as long as the applicant is known", async () => {
  const house = await approving();
  const caller = await apply(house);
  await house.clock.advance(HOUR);
  const told = caller.pushes("pending");
  assert(told.length > 105 && told.length < 140, `${told.length}`);
  for (const { nextMs } of told) {
    assert(Number(nextMs) >= 27 * SECOND && Number(nextMs) <= 33 * SECOND);
  }
  assert(new Set(told.map(({ nextMs }) => nextMs)).size > 50);
  await house.clock.advance(DAY - HOUR - SECOND);
  assertFalse(caller.closed);
  await house.clock.advance(2 * SECOND);
  assert(caller.closed);
  assertEquals(caller.reason, "timed-out");
  assertEquals(house.clock.pending, 0);
  assertEquals(waiting(house), []);
});

const OPERATOR = "operator";

/** Standing tokens that were made for another root. */
function others({ cluster: { tokens } }: House): ClusterRecord["tokens"] {
  return {
    worker: { ...tokens.worker, id: "another worker" },
    manager: { ...tokens.manager, id: "another manager" },
  };
}

/** What comes to who waits by a standing token, and by a created one. */
const CHANGES: readonly (readonly [
  what: string,
  change: (house: House, tokenId: string) => Promise<unknown>,
  standing: string | undefined,
  created: string | undefined,
])[] = [
  ["nothing", () => Promise.resolve(), undefined, undefined],
  [
    "approval is switched off",
    (house) => update(house, { requireApproval: false }),
    "issued",
    "issued",
  ],
  [
    "the standing token is rotated",
    (house) => house.tokens.rotate("worker", OPERATOR),
    "token-refused",
    undefined,
  ],
  [
    "the standing token is disabled",
    (house) =>
      house.store.update((tx) =>
        disableStanding(tx, { role: "worker", by: OPERATOR, now: NOW })
      ),
    "rejected",
    undefined,
  ],
  [
    "the created token is revoked",
    (house, id) =>
      house.store.update((tx) =>
        revokeToken(tx, { id, by: OPERATOR, now: NOW })
      ),
    undefined,
    "rejected",
  ],
  [
    "the created token is used up",
    (house, id) => house.store.update((tx) => takeUse(tx, id)),
    undefined,
    "token-refused",
  ],
  [
    "the created token is forgotten",
    (house, id) => house.store.update((tx) => tx.remove("token", id)),
    undefined,
    "token-refused",
  ],
  [
    "the standing tokens are replaced with the root",
    (house) =>
      house.store.update((tx) =>
        replaceAllStanding(tx, {
          tokens: others(house),
          by: "manager",
          now: NOW,
        })
      ),
    "token-refused",
    undefined,
  ],
  [
    "all tokens are void with the root",
    (house) =>
      house.store.update((tx) =>
        voidTokens(tx, { tokens: others(house), by: OPERATOR, now: NOW })
      ),
    "token-refused",
    "token-refused",
  ],
  [
    // They are in the queue again, as somebody else.
    "applicants are forgotten",
    (house) =>
      house.store.update((tx) => {
        for (const { spki } of [...tx.list("applicant")]) {
          tx.remove("applicant", spki);
        }
      }),
    "timed-out",
    "timed-out",
  ],
];

Deno.test("WaitingRoom.until() decides again whenever something changes that a decision looks at", async () => {
  for (const [what, change, ...wanted] of CHANGES) {
    const house = await approving();
    const order = { role: "worker", lifeMs: HOUR, uses: 1 } as const;
    const { token, record } = await house.tokens
      .create({ ...order, by: OPERATOR });
    const callers = [await apply(house), await apply(house, { token })];
    await change(house, record.id);
    await turn();
    const got = callers.map((caller) => {
      const answer = answerOf(caller);
      return answer && (codeOf(answer) ?? "issued");
    });
    assertEquals(got, wanted, what);
  }
});

Deno.test("WaitingRoom.until() looks at nothing anew for what decides nothing", async () => {
  const house = await approving();
  let asked = 0;
  const { join } = house.issuance;
  house.issuance.join = (request) => {
    asked++;
    return join.call(house.issuance, request);
  };
  await apply(house);
  const before = asked;
  await update(house, { crlNumber: 7 });
  await house.change(house.manager.id, { address: "10.0.0.7" });
  await house.clock.advance(HOUR);
  assertEquals(asked, before);
});

Deno.test("WaitingRoom.until() misses no word that comes while it is decided that it waits", async () => {
  for (const nth of [1, 2]) {
    const house = await approving();
    let asked = 0;
    const { join } = house.issuance;
    house.issuance.join = async (request) => {
      const outcome = await join.call(house.issuance, request);
      // It is in the store before whoever asked hears that it has to wait.
      if (++asked === nth) await say(house, "accepted");
      return outcome;
    };
    const caller = await apply(house);
    await turn();
    assert(resultOf(answerOf(caller))["chain"], `${nth}`);
  }
});

Deno.test("WaitingRoom.until() keeps one connection of an applicant, the newest", async () => {
  const house = await approving();
  const key = await house.crypto.generateKey();
  const first = await apply(house, { key });
  const second = await apply(house, { key });
  assertEquals(first.reason, "session-ended");
  assert(first.closed);
  assertFalse(second.closed);
  assertEquals(house.handlers.waitingRoom.size, 1);
  assertEquals(waiting(house).length, 1);
  await say(house, "accepted");
  assert(resultOf(answerOf(second))["chain"]);
  assertEquals(answerOf(first), undefined);
  assertEquals(house.nodes.length, 2);
});

Deno.test("NodeConnection refuses whoever says anything while it waits", async () => {
  const house = await approving();
  const floods = [
    (caller: Caller) => {
      for (let i = 0; i < 1_000; i++) {
        caller.send({ id: 9 + i, method: "ca.root", params: {} });
      }
    },
    (caller: Caller) =>
      caller.send({ method: "heartbeat", params: { now: 1 } }),
    (caller: Caller) => caller.send({ id: 2, result: {} }),
  ];
  for (const flood of floods) {
    const caller = await apply(house);
    flood(caller);
    await turn();
    assertEquals(caller.reason, "bad-message");
    await house.clock.advance(50);
    assert(caller.closed);
    assertEquals(house.handlers.waitingRoom.size, 0);
  }
  assertEquals(house.nodes.length, 1);
});

Deno.test("NodeConnection lets who waits send no longer frames than a stranger", async () => {
  const house = await approving();
  const caller = await apply(house);
  caller.pipe.far.send(new Uint8Array(MAX_GREETING_FRAME + 1));
  await turn();
  assert(caller.closed);
  assert(caller.pipe.near.destroyed);
  assertEquals(house.handlers.waitingRoom.size, 0);
});

Deno.test("WaitingRoom.until() gives the place of a connection that ended back, and no certificate", async () => {
  const house = await approving();
  const key = await house.crypto.generateKey();
  const caller = await apply(house, { key });
  caller.pipe.cut();
  await turn();
  assertEquals(house.handlers.waitingRoom.size, 0);
  assertEquals(house.clock.pending, 0);
  // It has its place in the queue, and comes back to it.
  await say(house, "accepted");
  assertEquals(house.nodes.length, 1);
  const again = await apply(house, { key });
  assert(resultOf(answerOf(again))["chain"]);
});

Deno.test("Frontdesk.close() tells who waits that the manager stops", async () => {
  const house = await approving();
  const caller = await apply(house);
  house.desk.close();
  // Before anything else runs: its sockets are destroyed next.
  const last = caller.pipe.near.sent.at(-1);
  assert(last && "method" in last && last.method === "close");
  await turn();
  assertEquals(caller.reason, "session-ended");
  assertEquals(waiting(house).length, 1);
  assertEquals(house.handlers.waitingRoom.size, 0);
});

Deno.test("WaitingRoom.close() turns away who sits down later", async () => {
  const house = await approving();
  const { waitingRoom } = house.handlers;
  const error = new SwarmdError("session-ended", "stopped");
  waitingRoom.close(error);
  const caller = await apply(house);
  assertEquals(codeOf(answerOf(caller)), "session-ended");
  assertEquals(waitingRoom.size, 0);
});
