import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import {
  acceptedAs,
  type CertificateRecord,
  dropPrevious,
  type NodeRecord,
  promotePending,
  withPending,
} from "../../lib/cluster/node.ts";
import { certificate, node, NOW, previous } from "./samples.ts";

/** How long the replaced certificate of a life is still accepted. */
function overlapOf(lifeMs: number, left = lifeMs): number {
  const current = certificate("current", { notAfter: NOW + lifeMs });
  const pending = certificate("pending");
  const at = NOW + lifeMs - left;
  const { node: after } = promotePending(
    node({ certificates: { current, pending } }),
    at,
  );
  return (after.certificates.previous?.until ?? NaN) - at;
}

Deno.test("promotePending() overlaps for 5 min, a tenth of the life at most, 3 s at least", () => {
  const cases = [
    [90 * DAY, 5 * MINUTE],
    [HOUR, 5 * MINUTE],
    [50 * MINUTE, 5 * MINUTE],
    [49 * MINUTE, 4.9 * MINUTE],
    [5 * MINUTE, 30_000],
    [30_000, 3_000],
    [10_000, 3_000],
    [3_001, 3_000],
  ] as const;
  for (const [life, overlap] of cases) {
    assertEquals(overlapOf(life), overlap, `life of ${life} ms`);
  }
});

Deno.test("promotePending() ends the overlap with the certificate", () => {
  assertEquals(overlapOf(90 * DAY, 10_000), 10_000);
  assertEquals(overlapOf(10_000, 1_000), 1_000);
});

Deno.test("promotePending() moves each certificate one place on", () => {
  const before = node({
    certificates: {
      current: certificate("current"),
      pending: certificate("pending"),
      previous: previous("previous", NOW + 1),
    },
  });
  const { node: after, superseded } = promotePending(before, NOW);
  const { chain: _, ...replaced } = certificate("current");
  assertEquals(after.certificates, {
    current: certificate("pending"),
    previous: { ...replaced, until: NOW + 5 * MINUTE },
  });
  assertEquals(superseded, previous("previous", NOW + 1));
});

Deno.test("promotePending() notes when a node was first seen, once", () => {
  const { firstSeen: _, ...unseen } = node({
    certificates: { pending: certificate("pending") },
  });
  const { node: seen, superseded } = promotePending(unseen, NOW + 5);
  assertEquals(seen.firstSeen, NOW + 5);
  assertEquals(seen.certificates, { current: certificate("pending") });
  assertEquals(superseded, undefined);
  const next = withPending(seen, certificate("next"));
  assertEquals(promotePending(next, NOW + 9).node.firstSeen, NOW + 5);
});

Deno.test("promotePending() changes nothing without a pending certificate", () => {
  const before = node();
  assertEquals(promotePending(before, NOW), { node: before });
});

Deno.test("dropPrevious() gives a certificate up when its overlap is over", () => {
  const certificates = {
    current: certificate("current"),
    previous: previous("previous", NOW),
  };
  const before = node({ certificates });
  assertEquals(dropPrevious(before, NOW - 1), { node: before });
  const { node: after, superseded } = dropPrevious(before, NOW);
  assertEquals(after.certificates, { current: certificate("current") });
  assertEquals(superseded?.serial, "serial previous");
  assertEquals(dropPrevious(after, NOW + 1), { node: after });
});

Deno.test("withPending() replaces one that was never used", () => {
  const before = node({
    certificates: {
      current: certificate("current"),
      pending: certificate("unused"),
    },
  });
  const after = withPending(before, certificate("newer"));
  const prints = [after.certificates.current, after.certificates.pending]
    .map((each) => each?.fingerprint);
  assertEquals(prints, ["print current", "print newer"]);
});

type Event = "issue" | "present" | "sweep" | "wait";

/** A node whose events happen at random. */
class Story {
  node: NodeRecord = node({ certificates: {} });
  now = NOW;
  readonly superseded: string[] = [];
  readonly issued: CertificateRecord[] = [];

  run(event: Event): void {
    if (event === "wait") this.now += MINUTE;
    if (event === "issue") this.#issue();
    if (event === "present") this.#take(promotePending(this.node, this.now));
    if (event === "sweep") this.#take(dropPrevious(this.node, this.now));
  }

  #issue(): void {
    const issuedAt = this.now;
    const made = certificate(`${this.issued.length}`, {
      issuedAt,
      notAfter: issuedAt + HOUR,
    });
    this.issued.push(made);
    this.node = withPending(this.node, made);
  }

  #take(result: ReturnType<typeof promotePending>): void {
    this.node = result.node;
    if (result.superseded) this.superseded.push(result.superseded.serial);
  }
}

Deno.test("a record never accepts a certificate again that it gave up", () => {
  const events = fc.array(
    fc.constantFrom<Event>("issue", "present", "sweep", "wait"),
    { maxLength: 60 },
  );
  fc.assert(fc.property(events, (script) => {
    const story = new Story();
    for (const event of script) {
      story.run(event);
      const { now, superseded } = story;
      const { current, pending, previous: old } = story.node.certificates;
      const known = [current, pending, old].flatMap((c) => c ? [c] : []);
      const prints = known.map((each) => each.fingerprint);
      assertEquals(new Set(prints).size, prints.length);
      // The newest two that count are the newest two that were issued.
      const accepted = story.issued.filter(({ fingerprint }) =>
        acceptedAs(story.node, { fingerprint, now })
      );
      assert(accepted.length <= 3);
      for (const { serial } of accepted) {
        assertFalse(superseded.includes(serial));
      }
      assertEquals(new Set(superseded).size, superseded.length);
    }
  }));
});
