import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertNotEquals,
} from "@std/assert";
import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { readCsr } from "../../lib/pki/csr.ts";
import { CALM } from "../manager/house.ts";
import { diskFull } from "../sim/sim_disk.ts";
import { forging, RenewalRig } from "./renewal_rig.ts";
import { wholeSeconds } from "./scripted.ts";

Deno.test("Renewal renews in the window, again and again, each time with another key", async () => {
  await using rig = await RenewalRig.start({ leafLifeMs: HOUR });
  const prints = new Set<string>();
  for (let i = 0; i < 5; i++) {
    const { issuedAt, certificate } = rig.held;
    prints.add(certificate.fingerprint);
    const due = rig.renewal.view.dueAt;
    assertGreaterOrEqual(due, issuedAt + 30 * MINUTE);
    assertLessOrEqual(due, issuedAt + 48 * MINUTE);
    await rig.pass(Math.floor(due - rig.house.clock.now()) - 1);
    assertEquals(rig.renewed, i);
    await rig.pass(2);
    assertEquals(rig.renewed, i + 1);
    // What lies on disk is what is in use, and the older one is gone.
    assertEquals(rig.device.disk.image.content.identities.length, 1);
    assertEquals(
      rig.device.disk.identity?.keyPem,
      rig.held.identity.keyPkcs8Pem,
    );
  }
  assertEquals(prints.size, 5);
  assertEquals(new Set(rig.asked.map(({ csr }) => csr)).size, 5);
  assertEquals(rig.renewal.view.failures, 0);
});

Deno.test("Renewal saves each step before the next begins", async () => {
  const steps: string[] = [];
  const state: { rig?: RenewalRig } = {};
  const note = (what: string) => {
    const { rig } = state;
    if (!rig) return Promise.resolve();
    const { asked, moves } = rig;
    steps.push(`${what}: ${asked.length} asked, ${moves.length} moved`);
    return Promise.resolve();
  };
  const rig = await RenewalRig.open({
    disk: { before: note, after: () => Promise.resolve() },
  });
  state.rig = rig;
  const before = rig.held.certificate.fingerprint;
  await rig.run();
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  assertEquals(steps, [
    "stage: 0 asked, 0 moved",
    "save: 1 asked, 0 moved",
    "confirm: 1 asked, 1 moved",
    "unstage: 1 asked, 1 moved",
  ]);
  assertNotEquals(rig.held.certificate.fingerprint, before);
  assertEquals(rig.remembered.length, 1);
  await rig.stop();
});

// W5: every failure ends, and is followed by another attempt.
Deno.test("Renewal keeps the old identity through every failure, and tries again", async () => {
  const failures: readonly [string, (rig: RenewalRig) => void][] = [
    ["the manager is away", (rig) => {
      rig.answer = () => Promise.reject(new SwarmdError("unreachable", "x"));
    }],
    ["the manager refuses", (rig) => {
      rig.answer = () => Promise.reject(new SwarmdError("suspended", "x"));
    }],
    ["the manager's signer is away", (rig) => {
      const error = new SwarmdError("signer-unavailable", "x");
      rig.answer = () => Promise.reject(error);
    }],
    ["the session ended", (rig) => {
      rig.answer = () => Promise.reject(new SwarmdError("session-ended", "x"));
    }],
    ["the answer is another node's", (rig) => {
      rig.answer = forging(rig, () => ({ nodeId: "o".repeat(25) }));
    }],
    ["the answer is another cluster's", (rig) => {
      rig.answer = forging(rig, () => ({ clusterId: "o".repeat(25) }));
    }],
    ["the answer has ended", (rig) => {
      const now = () => wholeSeconds(rig.house.clock.now());
      const ended = () => ({ notAfter: now() - SECOND });
      rig.answer = forging(rig, ended);
    }],
    ["the answer ends at once", (rig) => {
      const now = () => wholeSeconds(rig.house.clock.now());
      const ends = () => ({ notAfter: now() + SECOND });
      rig.answer = forging(rig, ends);
    }],
    ["the answer is garbage", (rig) => {
      rig.answer = async (csr) => ({
        ...await rig.issue(csr),
        chain: ["AAAA"],
      });
    }],
  ];
  for (const [what, fails] of failures) {
    await using rig = await RenewalRig.start();
    const before = rig.held;
    const stored = rig.device.disk.identity;
    const answer = rig.answer;
    fails(rig);
    rig.renewal.renewNow();
    await rig.pass(2 * MINUTE);
    assertEquals(rig.held, before, what);
    assertEquals(rig.device.disk.identity, stored, what);
    assertEquals(rig.moves, [], what);
    const { failures, lastFailure, step } = rig.renewal.view;
    assert(failures >= 3 && failures <= 10, `${what}: ${failures}`);
    assert(lastFailure?.error, what);
    assertEquals(step, "idle", what);
    rig.answer = answer;
    await rig.pass(10 * MINUTE);
    assertEquals(rig.renewed, 1, what);
    assertEquals(rig.renewal.view.failures, 0, what);
    assertEquals(rig.renewal.view.lastFailure, undefined, what);
  }
});

Deno.test("Renewal outlives a disk that is full at any write", async () => {
  for (const point of ["stage", "save", "confirm", "unstage"]) {
    const disk = { ...CALM, full: false };
    await using rig = await RenewalRig.start({
      disk: {
        before: (what) =>
          disk.full && what === point
            ? Promise.reject(diskFull())
            : Promise.resolve(),
        after: () => Promise.resolve(),
      },
    });
    const before = rig.held;
    disk.full = true;
    rig.renewal.renewNow();
    await rig.pass(2 * MINUTE);
    // What was not saved is not used; what was, is.
    const saved = point !== "stage" && point !== "save";
    assertEquals(rig.held === before, !saved, point);
    disk.full = false;
    await rig.pass(10 * MINUTE);
    rig.renewal.renewNow();
    await rig.pass(10 * MINUTE);
    assert(rig.renewed >= 1, point);
    assertEquals(rig.renewal.view.failures, 0, point);
    assertEquals(
      rig.device.disk.identity?.keyPem,
      rig.held.identity.keyPkcs8Pem,
      point,
    );
  }
});

Deno.test("Renewal asks again with the same key after a lost answer", async () => {
  await using rig = await RenewalRig.start();
  const issue = rig.answer;
  let losses = 3;
  rig.answer = async (csr) => {
    const answer = await issue(csr);
    if (losses-- > 0) throw new SwarmdError("timed-out", "lost");
    return answer;
  };
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  assertEquals(rig.renewed, 1);
  const keys = await Promise.all(rig.asked.map(async ({ csr }) => {
    const { spki } = await readCsr(rig.house.crypto, fromBase64(csr));
    return toBase64(spki);
  }));
  assertEquals([keys.length, new Set(keys).size], [4, 1]);
  // Signed once: the others were given what was stored.
  assertEquals(rig.house.issuance.issued, 3);
});

Deno.test("Renewal burns the key of an answer that fails its check", async () => {
  await using rig = await RenewalRig.start();
  rig.answer = forging(rig, () => ({ nodeId: "o".repeat(25) }));
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  const keys = await Promise.all(rig.asked.map(async ({ csr }) => {
    const { spki } = await readCsr(rig.house.crypto, fromBase64(csr));
    return toBase64(spki);
  }));
  assert(keys.length >= 3);
  assertEquals(new Set(keys).size, keys.length);
  const staged = await rig.device.disk.open(CALM).loadStagedKey();
  assertEquals(staged, undefined);
});

Deno.test("Renewal makes a new key where the staged one is of no use", async () => {
  const useless = [
    { keyPem: "garbage", purpose: "renew" },
    { keyPem: "", purpose: "renew" },
    { purpose: "join" },
    { binding: { after: "another" } },
    { binding: {} },
  ] as const;
  for (const change of useless) {
    await using rig = await RenewalRig.start();
    const keyPem = rig.held.identity.keyPkcs8Pem;
    const binding = { after: rig.held.certificate.fingerprint };
    await rig.device.disk.open(CALM).saveStagedKey({
      keyPem,
      purpose: "renew",
      createdAt: rig.house.clock.now(),
      binding,
      ...change,
    });
    const before = rig.held.identity.key.spki;
    rig.renewal.renewNow();
    await rig.pass(MINUTE);
    assertEquals(rig.renewed, 1, Deno.inspect(change));
    assertNotEquals(rig.held.identity.key.spki, before);
  }
});

Deno.test("Renewal begins none before the last is confirmed", async () => {
  await using rig = await RenewalRig.start({ leafLifeMs: HOUR });
  rig.confirms = false;
  await rig.untilDue();
  assertEquals([rig.asked.length, rig.moves.length], [1, 1]);
  assertEquals(rig.renewal.view.step, "in-use");
  for (let i = 0; i < 10; i++) rig.renewal.renewNow();
  await rig.pass(DAY);
  assertEquals([rig.asked.length, rig.renewed], [1, 0]);
  // The old identity is still on the disk, behind the new one.
  assertEquals(rig.device.disk.image.content.identities.length, 2);
  await rig.confirm();
  await rig.pass(0);
  assertEquals(rig.renewed, 1);
});

Deno.test("Renewal goes back when a verified manager says that it was replaced, and starts over", async () => {
  for (const code of ["replaced", "newer-than-store"] as const) {
    await using rig = await RenewalRig.start();
    const before = rig.held.certificate.fingerprint;
    rig.confirms = false;
    rig.renewal.renewNow();
    await rig.pass(MINUTE);
    const refused = rig.held;
    assertNotEquals(refused.certificate.fingerprint, before);
    const error = new SwarmdError(code, "no");
    assertEquals(await rig.renewal.refused(refused, error), true);
    assertEquals(rig.held.certificate.fingerprint, before);
    const { identities } = rig.device.disk.image.content;
    assertEquals(identities.length, 1);
    rig.confirms = true;
    await rig.pass(5 * MINUTE);
    assertEquals(rig.renewed, 1);
    const spkis = [refused, rig.held].map((h) => toBase64(h.identity.key.spki));
    assertNotEquals(spkis[0], spkis[1]);
  }
});

Deno.test("Renewal starts over at once when it went back after a restart", async () => {
  // Killed after saving, before a hello was answered; the next process presents
  // what is on the disk, and a manager does not know it.
  const killed = await RenewalRig.start();
  killed.confirms = false;
  killed.renewal.renewNow();
  await killed.pass(MINUTE);
  await killed.stop();
  const { device, held } = killed;
  await using rig = new RenewalRig(device, { held });
  await rig.run();
  assertGreaterOrEqual(rig.renewal.view.dueAt, rig.house.clock.now() + DAY);
  const error = new SwarmdError("replaced", "no");
  assertEquals(await rig.renewal.refused(rig.held, error), true);
  assertNotEquals(
    rig.held.certificate.fingerprint,
    held.certificate.fingerprint,
  );
  await rig.pass(2 * MINUTE);
  assertEquals(rig.asked.length, 1);
  assertEquals(rig.renewed, 1);
});

Deno.test("Renewal goes back for nothing else, and for nobody else", async () => {
  await using rig = await RenewalRig.start();
  rig.confirms = false;
  const before = rig.held;
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  const next = rig.held;
  const codes = ["unknown-node", "suspended", "tls", "timed-out"] as const;
  for (const code of codes) {
    const error = new SwarmdError(code, "no");
    assertEquals(await rig.renewal.refused(next, error), false, code);
  }
  // Said of the identity that is not in use any more.
  const replaced = new SwarmdError("replaced", "no");
  assertEquals(await rig.renewal.refused(before, replaced), false);
  assertEquals(rig.held, next);
  await rig.confirm();
  // Once confirmed, there is nothing to go back to.
  assertEquals(await rig.renewal.refused(rig.held, replaced), false);
  assertEquals(rig.held, next);
});

Deno.test("Renewal asks again, on the session, when the root was cut off before it was confirmed", async () => {
  await using rig = await RenewalRig.start();
  rig.confirms = false;
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  assertEquals(rig.asked.length, 1);
  const error = new SwarmdError("unverified-chain", "no");
  assertEquals(await rig.renewal.refused(rig.held, error), false);
  rig.confirms = true;
  rig.renewal.renewNow();
  await rig.pass(5 * MINUTE);
  assertEquals([rig.asked.length, rig.renewed], [2, 1]);
});

Deno.test("Renewal goes back one step for two refusals at once", async () => {
  await using rig = await RenewalRig.start();
  rig.confirms = false;
  const before = rig.held.certificate.fingerprint;
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  // One more that could not be deleted in its time.
  const { content } = rig.device.disk.image;
  const [oldest] = content.identities;
  assert(oldest);
  const identities = [oldest, ...content.identities];
  rig.device.disk.restore({ content: { ...content, identities } });
  const error = new SwarmdError("replaced", "no");
  const { held } = rig;
  const both = [1, 2].map(() => rig.renewal.refused(held, error));
  assertEquals(await Promise.all(both), [true, false]);
  assertEquals(rig.held.certificate.fingerprint, before);
  assertEquals(rig.device.disk.image.content.identities.length, 2);
});

Deno.test("Renewal tells of offers that it refuses at most once a minute", async () => {
  await using rig = await RenewalRig.start();
  const told = () =>
    rig.device.logged.filter(({ level }) => level === "error").length;
  const before = rig.device.disk.image;
  const refuse = () => Promise.reject(new SwarmdError("root-mismatch", "no"));
  for (let i = 0; i < 20; i++) {
    rig.renewal.adopt(refuse);
    await rig.pass(SECOND);
  }
  assertEquals(told(), 1);
  await rig.pass(MINUTE);
  rig.renewal.adopt(refuse);
  await rig.pass(SECOND);
  assertEquals(told(), 2);
  assertEquals(rig.device.disk.image, before);
});

Deno.test("Renewal saves no bundle for an identity that was given up while it was judged", async () => {
  await using rig = await RenewalRig.start();
  const { held } = rig;
  const gate = Promise.withResolvers<void>();
  rig.renewal.adopt(async () => {
    await gate.promise;
    const trust = { ...held.trust, bundle: "sha256:another" };
    return { held: { ...held, trust }, generation: 2 };
  });
  await rig.pass(SECOND);
  rig.held = { ...held };
  const before = rig.device.disk.image;
  gate.resolve();
  await rig.pass(SECOND);
  assertEquals(rig.device.disk.image, before);
});

Deno.test("Renewal takes a hello with an older identity for no confirmation", async () => {
  await using rig = await RenewalRig.start();
  rig.confirms = false;
  const before = rig.held;
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  await rig.renewal.confirmed(before);
  await rig.pass(MINUTE);
  assertEquals(rig.renewed, 0);
  assertEquals(rig.device.disk.image.content.identities.length, 2);
});
