import { assert, assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  abort,
  crossReserve,
  cutOver,
  finish,
  isCrossDue,
  nextGeneration,
  orderBase,
  replace,
  start,
  withCross,
} from "../../lib/cluster/root_rotation.ts";
import type { RotationPhase } from "../../lib/cluster/root_record.ts";
import {
  anchorsOf,
  bundleOf,
  caRootAnswer,
  issuerFor,
  mayRecover,
  offerFor,
  successionFrom,
  tokenRootOf,
} from "../../lib/cluster/root_views.ts";
import {
  forgetHistory,
  TOKEN_GRACE_MS,
} from "../../lib/cluster/rotation_steps.ts";
import { NOW } from "./samples.ts";
import {
  after,
  factsOfRoot,
  orderFor,
  rotating,
  symbolicCluster,
} from "./rotation_symbols.ts";

Deno.test("start() leads through the phases, each with its issuer, bundle and anchors", () => {
  const begun = rotating();
  const cases: readonly [
    cluster: ClusterRecord,
    phase: RotationPhase | undefined,
    issuer: string,
    chain: string[],
    bundle: string,
    anchors: string[],
  ][] = [
    [symbolicCluster(), undefined, "G", [], "G", ["G"]],
    [begun, "renewing", "H", ["H<G"], "G", ["G"]],
    [after(begun, 1), "trusting", "H", ["H<G"], "G+H", ["G", "H"]],
    [after(begun, 2), undefined, "H", ["H<G"], "H", ["H"]],
    [
      abort(after(begun, 1), { id: "H2", now: NOW }),
      "returning",
      "G",
      [],
      "G",
      ["G"],
    ],
  ];
  for (const [cluster, phase, issuer, chain, bundle, anchors] of cases) {
    assertEquals(cluster.rotation?.phase, phase);
    const present = issuerFor(cluster, { role: "worker", now: NOW });
    assertEquals(present.root.certificate, issuer);
    assertEquals(present.chain, chain);
    assertEquals(bundleOf(cluster).digest, bundle);
    assertEquals(anchorsOf(cluster).roots, anchors);
    if (cluster.rotation || chain.length > 0) {
      assert(anchorsOf(cluster).intermediates.includes("H<G"));
    }
  }
});

Deno.test("start() trust-first renews the workers that said so first, the managers last", () => {
  const begun = rotating({ trustFirst: true });
  const phases: readonly [RotationPhase | undefined, string, string, string][] =
    [
      ["trusting", "G", "G", "G"],
      ["renewing", "H", "G", "G"],
      ["switching", "H", "H", "H"],
      [undefined, "H", "H", "H"],
    ];
  for (const [i, [phase, ready, manager, token]] of phases.entries()) {
    const cluster = after(begun, i);
    assertEquals(cluster.rotation?.phase, phase);
    const issuer = (role: "worker" | "manager", trusts: string) =>
      issuerFor(cluster, { role, trusts, now: NOW }).root.certificate;
    assertEquals(issuer("worker", "G+H"), ready);
    assertEquals(issuer("manager", "G+H"), manager);
    if (phase) assertEquals(issuer("worker", "G"), "G");
    assertEquals(tokenRootOf(cluster).certificate, token);
  }
  const done = after(begun, 3);
  assertEquals([done.links, done.graces], [undefined, undefined]);
});

Deno.test("abort() and replace() give up the key, and only of the rotation that they name", () => {
  const begun = rotating();
  const back = abort(begun, { id: "H2", now: NOW });
  assertEquals(back.rotation?.target.key, undefined);
  assertEquals(back.rotation?.successor, undefined);
  assertEquals(abort(back, { id: "H2", now: NOW + 1 }), back);
  const settled = after(back, 1);
  assertEquals(settled.rotation, undefined);
  assertEquals(settled.root.certificate, "G");
  assertEquals(settled.links, undefined);
  assertEquals(anchorsOf(settled).intermediates, ["H<G"]);
  assertEquals(nextGeneration(settled), 3);

  const order = orderFor(begun, { name: "I", now: NOW });
  const other = replace(begun, { ...order, replaces: "H2" });
  assertEquals(other.rotation?.id, "I3");
  assertEquals(anchorsOf(other).intermediates, ["I<G", "H<G"]);
  const stale = { id: "H2", now: NOW };
  const crossed = order.crossed;
  assert(crossed);
  for (
    const step of [
      () => abort(other, stale),
      () => finish(other, stale),
      () => withCross(other, { ...stale, crossed }),
      () => replace(other, { ...order, replaces: "H2" }),
      () => abort(symbolicCluster(), stale),
    ]
  ) assertEquals(assertThrows(step, SwarmdError).code, "not-found");
});

Deno.test("start() refuses what is no new root", () => {
  const cluster = symbolicCluster();
  const order = orderFor(cluster, { name: "H", now: NOW });
  const { target } = order;
  const again = orderFor(rotating(), { name: "I", now: NOW });
  assertThrows(() => start(rotating(), again), SwarmdError, "is under way");
  const same = { ...target, facts: factsOfRoot("G") };
  assertThrows(() => start(cluster, { ...order, target: same }), SwarmdError);
  const old = { ...target, generation: 1 };
  assertThrows(() => start(cluster, { ...order, target: old }), RangeError);
  assertThrows(() => start(cluster, { ...order, quorum: 1.1 }), RangeError);
  const compromised = { ...cluster, compromised: ["H"] };
  assertThrows(() => start(compromised, order), SwarmdError, "cut off");
});

Deno.test("replace() says what to do where one rotation must end before the next", () => {
  const running = rotating({ trustFirst: true });
  const order = orderFor(running, { name: "I", now: NOW, trustFirst: true });
  const { code, hint = "" } = assertThrows(
    () => replace(running, { ...order, replaces: "H2" }),
    SwarmdError,
    "must end before the next",
  );
  // Nothing is wrong with what was asked: it is not the time for it
  assertEquals(code, "precondition");
  assert(hint.includes("`swarmd ca abort`"), hint);
});

Deno.test("start(), replace() and cutOver() refuse what was made for another record", () => {
  const cluster = symbolicCluster();
  const order = orderFor(cluster, { name: "I", now: NOW });
  const running = rotating();
  const back = after(abort(running, { id: "H2", now: NOW }), 1);
  const ended = after(running, 2);
  const other = orderFor(running, { name: "I", now: NOW });
  const cut = {
    from: orderBase(cluster),
    target: order.target,
    present: factsOfRoot("G"),
  };
  const cases: readonly (() => ClusterRecord)[] = [
    // Meanwhile one began, was aborted, or ended
    () => start(running, order),
    () => start(back, order),
    () => start(ended, order),
    // The one to be replaced is over
    () => start(back, other),
    () => start(ended, other),
    () => cutOver(running, cut),
    () => cutOver(back, cut),
    () => cutOver(ended, cut),
  ];
  for (const [i, step] of cases.entries()) {
    const { code, hint } = assertThrows(step, SwarmdError, "meanwhile");
    assertEquals([i, code], [i, "precondition"]);
    assert(hint?.includes("order again"));
  }
  const stale = { ...other, replaces: "I3" };
  const second = replace(running, { ...other, replaces: "H2" });
  assertThrows(() => replace(second, stale), SwarmdError, "meanwhile");
});

Deno.test("caRootAnswer() and successionFrom() lead to the present root, links entering with it", () => {
  const begun = rotating();
  const old = { digest: "d:G", now: NOW };
  assertEquals(caRootAnswer(begun, old), { certificate: "G", links: [] });
  assertEquals(caRootAnswer(begun, { ...old, digest: "d:H" }), undefined);
  const ended = after(begun, 2);
  assertEquals(caRootAnswer(ended, old)?.links.map(({ root }) => root), ["H"]);
  const late = NOW + TOKEN_GRACE_MS;
  assertEquals(caRootAnswer(ended, { ...old, now: late }), undefined);

  const order = orderFor(ended, { name: "I", now: NOW });
  const twice = after(start(ended, order), 2);
  const way = (...digests: string[]) =>
    successionFrom(twice, { digests, now: late })?.map(({ cross }) => cross);
  assertEquals(way("d:G"), ["H<<G", "I<<H"]);
  assertEquals(way("d:G", "d:H"), ["I<<H"]);
  assertEquals(way("d:I"), []);
  assertEquals(way("d:X"), undefined);
  const forgotten = forgetHistory(twice, NOW + 400 * DAY);
  assertEquals([forgotten?.links, forgotten?.graces], [undefined, undefined]);
  assertEquals(forgetHistory(symbolicCluster(), NOW), undefined);
});

Deno.test("cutOver() leaves nothing that the old root, or a target, vouched for", () => {
  const ended = after(rotating(), 2);
  const running = start(ended, orderFor(ended, { name: "I", now: NOW }));
  const { target } = orderFor(running, { name: "J", now: NOW });
  const from = orderBase(running);
  const order = { from, target, present: factsOfRoot("H") };
  const cut = cutOver(running, order);
  assertEquals(cut.root.certificate, "J");
  assertEquals(cut.rotation, undefined);
  const { roots, ...others } = anchorsOf(cut);
  assertEquals(roots, ["J"]);
  assertEquals(others, { intermediates: [], dropped: [] });
  assertEquals(caRootAnswer(cut, { digest: "d:G", now: NOW }), undefined);
  assertEquals(
    ["G", "H", "I", "J"].map((keyId) => mayRecover(cut, keyId)),
    [true, false, false, true],
  );
  assertEquals(issuerFor(cut, { role: "worker", now: NOW }).chain, []);
});

Deno.test("offerFor() offers who pins a target of our own nothing until that vouches for the present root", () => {
  const stable = symbolicCluster();
  const order = { name: "H", now: NOW, trustFirst: true };
  const crossBack = { certificate: "G<H", notAfter: NOW + DAY };
  const step = { id: "H2", now: NOW };
  for (const own of [false, true]) {
    const switching = after(
      start(stable, orderFor(stable, { ...order, own })),
      2,
    );
    const recalling = abort(switching, { ...step, ...(own && { crossBack }) });
    const cases: readonly [ClusterRecord, (string | undefined)[]][] = [
      [stable, ["G", "G", undefined, "G"]],
      [switching, ["G+H", own ? undefined : "G+H", "G+H", undefined]],
      [abort(switching, step), [
        ...["G+H", own ? undefined : "G+H", "G+H", undefined],
      ]],
      [recalling, ["G+H", "G+H", "G+H", undefined]],
      [after(switching, 1), ["H", undefined, "H", "H"]],
    ];
    for (const [cluster, wanted] of cases) {
      const offered = [undefined, "H", "G", "G+H"].map((trusts) =>
        offerFor(cluster, trusts)?.digest
      );
      assertEquals(offered, wanted);
    }
  }
  // Where roots are cross-signed an own root is the rule
  const begun = after(
    start(stable, orderFor(stable, { name: "H", now: NOW, own: true })),
    1,
  );
  assertEquals(offerFor(begun, "H")?.digest, "G+H");
});

Deno.test("isCrossDue() asks for new cross-signatures while a rotation lasts", () => {
  const begun = rotating();
  const end = begun.rotation?.cross?.notAfter ?? 0;
  assertEquals(isCrossDue(begun, end - 1.2 * TOKEN_GRACE_MS), false);
  assertEquals(isCrossDue(begun, end - TOKEN_GRACE_MS), true);
  const cross = { certificate: "H<G", notAfter: end + DAY };
  const crossed = { cross, successor: cross };
  const anew = withCross(begun, { id: "H2", crossed });
  assertEquals(anew.rotation?.cross, cross);
  const back = abort(begun, { id: "H2", now: NOW });
  const kept = withCross(back, { id: "H2", crossed });
  assertEquals(kept.rotation?.successor, undefined);
});

Deno.test("crossReserve() has no leaf of an authority elsewhere end with a cross-signature", () => {
  const [begun, external] = [rotating(), []];
  const { rotation, leafLifeMs } = begun;
  if (!rotation) throw new Error("No rotation");
  assertEquals(crossReserve(begun, rotation.target), TOKEN_GRACE_MS);
  assertEquals(crossReserve(begun, { external }), leafLifeMs + DAY);
  const brief = { leafLifeMs: HOUR };
  assertEquals(crossReserve(brief, { external }), TOKEN_GRACE_MS);
  const target = { ...rotation.target, external };
  const elsewhere = { ...begun, rotation: { ...rotation, target } };
  const end = rotation.cross?.notAfter ?? 0;
  for (
    const [left, due] of [[leafLifeMs + 2 * DAY, false], [
      leafLifeMs,
      true,
    ]] as const
  ) {
    assertEquals(isCrossDue(elsewhere, end - left), due);
  }
  // Signed anew it would end no later
  const facts = { ...factsOfRoot("G"), notAfter: end };
  const ending = { ...elsewhere, root: { ...begun.root, facts } };
  assertEquals(isCrossDue(ending, end - DAY), false);
});
