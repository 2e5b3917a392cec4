import { assertEquals } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { Applicant } from "../../lib/cluster/applicant.ts";
import type { Store } from "../../lib/cluster/store.ts";
import {
  applicantOf,
  enqueue,
  enqueueRecovery,
  findApplicant,
  findForgotten,
  giveWord,
  listWaiting,
  MAX_WAITING,
  MAX_WAITING_PER_TOKEN,
  rejectQueue,
} from "../../lib/cluster/waiting.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { applicant } from "./applicants.ts";
import { NOW } from "./samples.ts";

async function withQueue(...queue: readonly Applicant[]): Promise<Store> {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    for (const each of queue) tx.put("applicant", each.spki, each);
  });
  return store;
}

/** So many, of tokens that each brought as many as it may. */
function crowd(count: number, change: Partial<Applicant> = {}): Applicant[] {
  return Array.from(
    { length: count },
    (_, i) =>
      applicant(`${i}`.padStart(4, "0"), {
        tokenId: `token ${Math.floor(i / MAX_WAITING_PER_TOKEN)}`,
        ...change,
      }),
  );
}

async function code(work: Promise<unknown>): Promise<string> {
  const result = await work.catch((error) => error);
  return result instanceof SwarmdError ? result.code : "";
}

function join(store: Store, one: Applicant): Promise<void> {
  return store.update((tx) => enqueue(tx, one));
}

Deno.test("enqueue() lets so many wait by a token, and so many in all", async () => {
  const most = MAX_WAITING_PER_TOKEN;
  const mine = { tokenId: "mine" };
  const store = await withQueue(...crowd(most - 1, mine));
  await join(store, applicant("last", mine));
  assertEquals(await code(join(store, applicant("over", mine))), "too-busy");
  await join(store, applicant("by another token"));
  const full = await withQueue(...crowd(MAX_WAITING));
  assertEquals(await code(join(full, applicant("over"))), "too-busy");
  const { tokenId: _, ...recovering } = applicant("r", { kind: "recover" });
  assertEquals(await code(join(full, recovering)), "too-busy");
});

Deno.test("enqueueRecovery() lets few keys wait to be one node, however many certificates they show", async () => {
  const store = await withQueue();
  const wait = (i: number, nodeId: string) => {
    const shown = {
      ...{ serial: `${i}`, fingerprint: `print ${i}` },
      ...{ notBefore: NOW, issuerKeyId: "key" },
    };
    const { tokenId: _, ...one } = applicant(`${nodeId} ${i}`, {
      ...{ kind: "recover", nodeId, shown } as const,
    });
    return code(store.update((tx) => enqueueRecovery(tx, one)));
  };
  for (let i = 0; i < 32; i++) assertEquals(await wait(i, "greedy"), "");
  assertEquals(await wait(32, "greedy"), "too-busy");
  assertEquals(await wait(33, "another"), "");
});

Deno.test("enqueue() counts neither the rejected nor the forgotten, and never keeps more", async () => {
  const queue = crowd(MAX_WAITING);
  for (
    const change of [{ verdict: "rejected" }, { at: NOW - DAY }] as const
  ) {
    const [first, ...rest] = queue;
    const store = await withQueue(
      { ...first ?? applicant(""), ...change },
      ...rest,
    );
    await join(store, applicant("next"));
    assertEquals(store.view((view) => view.count("applicant")), MAX_WAITING);
  }
});

Deno.test("enqueue() audits who waits, with key and token", async () => {
  const store = await withQueue();
  await join(store, applicant("a"));
  const entries = await store.entries("audit", { after: 0, limit: 9 });
  assertEquals(
    entries.map(({ action, node, by, fingerprint, why }) => [
      ...[action, node, by, fingerprint, why],
    ]),
    [[
      ...["waiting", "node a", "10.0.0.9", "spki a"],
      "joiners wait for approval here; token token worker",
    ]],
  );
});

Deno.test("applicants are known for a day, whatever was said", async () => {
  const store = await withQueue(
    applicant("a"),
    applicant("b", { verdict: "accepted" }),
    applicant("c", { verdict: "rejected" }),
  );
  const at = (now: number) =>
    store.view((view) => [
      listWaiting(view, now).map(({ nodeId }) => nodeId).join(),
      findForgotten(view, now).length,
      applicantOf(view, { spki: "spki c", now })?.verdict,
    ]);
  assertEquals(at(NOW + DAY - 1), ["node a,node b", 0, "rejected"]);
  assertEquals(at(NOW + DAY), ["", 3, undefined]);
  // A clock that was set back forgets nobody.
  assertEquals(at(NOW - 9 * DAY), ["node a,node b", 0, "rejected"]);
});

Deno.test("giveWord() is audited once, however often it is said", async () => {
  const store = await withQueue(applicant("a"));
  for (const word of ["accepted", "accepted", "rejected"] as const) {
    await store.update((tx) => {
      const one = tx.get("applicant", "spki a") ?? applicant("");
      giveWord(tx, { applicant: one, word, by: "operator", now: NOW });
    });
  }
  const entries = await store.entries("audit", { after: 0, limit: 9 });
  assertEquals(entries.map(({ action }) => action), ["accepted", "rejected"]);
});

Deno.test("rejectQueue() rejects those of one token, accepted ones too", async () => {
  const store = await withQueue(
    applicant("a"),
    applicant("b", { verdict: "accepted" }),
    applicant("c", { tokenId: "another" }),
  );
  const deed = { by: "operator", now: NOW, why: "its token was revoked" };
  await store.update((tx) => {
    rejectQueue(tx, { ...deed, tokenId: "token worker" });
  });
  const waiting = store.view((view) => listWaiting(view, NOW));
  assertEquals(waiting.map(({ nodeId }) => nodeId), ["node c"]);
});

Deno.test("findApplicant() takes an id, its beginning, or one key of several", async () => {
  const store = await withQueue(
    applicant("x1", { nodeId: "aab", spki: "11" }),
    applicant("x2", { nodeId: "aac", spki: "22" }),
    applicant("x3", { nodeId: "bbb", spki: "33" }),
    applicant("x4", { nodeId: "bbb", spki: "34" }),
    applicant("x5", { nodeId: "ccc", spki: "55", verdict: "rejected" }),
  );
  const find = (prefix: string, fingerprint?: string): string => {
    try {
      return store.view((view) =>
        findApplicant(view, {
          ...{ prefix, now: NOW },
          ...(fingerprint !== undefined && { fingerprint }),
        })?.spki ?? "nobody"
      );
    } catch (error) {
      return error instanceof SwarmdError ? error.code : String(error);
    }
  };
  const cases: [string, string | undefined, string][] = [
    ["aab", undefined, "11"],
    ["aab", "1", "11"],
    ["aab", "2", "precondition"],
    ["aa", undefined, "not-found"],
    ["aa", "22", "22"],
    ["bbb", undefined, "not-found"],
    ["bbb", "34", "34"],
    ["ccc", undefined, "nobody"],
    ["d", undefined, "nobody"],
  ];
  for (const [prefix, fingerprint, want] of cases) {
    assertEquals(find(prefix, fingerprint), want, `${prefix} ${fingerprint}`);
  }
});
