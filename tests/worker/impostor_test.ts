import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { House } from "../manager/house.ts";
import { Device, MANAGER, serverOf } from "./device.ts";
import { type Answer, managerLeaf, Scripted, SILENCE } from "./scripted.ts";

/** A device that finds an impostor where its manager should be. */
async function among(answers: Readonly<Record<string, Answer>> = {}) {
  const house = await House.open();
  const device = new Device(house);
  const scripted = await Scripted.of(house);
  Object.assign(scripted.answers, answers);
  device.net.servers.set(MANAGER, scripted);
  return { house, device, scripted };
}

async function refusal(work: Promise<unknown>): Promise<SwarmdError> {
  return await assertRejects(() => work, SwarmdError);
}

/** Neither the secret nor a request went to anybody, and nothing was saved. */
async function assertUnharmed(device: Device): Promise<void> {
  const { secret } = parseJoinToken(await device.house.tokens.show("worker"));
  const said = JSON.stringify([
    ...device.net.written({ verified: true }),
    ...device.net.written({ verified: false }),
  ]);
  assertFalse(said.includes(encodeBase36(secret)));
  assertFalse(said.includes('"join"'));
  assertEquals(device.disk.identity, undefined);
}

/** The house's own proof for a challenge, for any certificate. */
async function proofOf(
  house: House,
  params: Record<string, unknown>,
  change: { readonly leaf?: string; readonly nonce?: string } = {},
): Promise<string> {
  const prove = params["prove"] as { token: string; nonce: string };
  const proof = await house.tokens.prove(prove.token, {
    nonce: fromBase64(change.nonce ?? prove.nonce),
    leafFingerprint: change.leaf ?? house.serving.certificate.fingerprint,
  });
  assert(proof);
  return toBase64(proof);
}

Deno.test("join() does not send the secret to a manager without a proof", async () => {
  const { device } = await among();
  const error = await refusal(device.join());
  assertEquals(error.code, "token-refused");
  await assertUnharmed(device);
});

Deno.test("join() does not believe a proof of anything else", async () => {
  const forgeries: Readonly<
    Record<string, (h: House, p: Record<string, unknown>) => unknown>
  > = {
    "nothing": () => toBase64(new Uint8Array(32)),
    "too little": () => "",
    "a shorter one": async (h, p) => (await proofOf(h, p)).slice(0, 40),
    // Passed on from the real manager: it is bound to that one's certificate.
    "another's": (h, p) => proofOf(h, p),
    "another challenge": (h, p) =>
      proofOf(h, p, { nonce: toBase64(new Uint8Array(32)) }),
  };
  for (const [what, forge] of Object.entries(forgeries)) {
    const { house, device, scripted } = await among();
    scripted.answers["hello"] = async ({ params }) => ({
      ...scripted.greeting(params),
      ...(params["prove"] ? { proof: await forge(house, params) } : {}),
    });
    const error = await refusal(device.join());
    assertEquals(error.code, "manager-unproven", what);
    assertEquals(error.verdict, "stop");
    await assertUnharmed(device);
  }
});

Deno.test("join() believes the cluster of the certificate alone", async () => {
  // Two clusters may share a corporate root.
  const { house, device, scripted } = await among();
  const other = house.newId();
  scripted.answers["hello"] = ({ params }) => ({
    ...scripted.greeting(params),
    cluster: other,
  });
  assertEquals((await refusal(device.join())).code, "manager-unproven");
  await assertUnharmed(device);
});

Deno.test("join() refuses whoever is no manager before it says anything", async () => {
  const cases: readonly [string, Parameters<typeof managerLeaf>[1]][] = [
    ["a worker", { role: "worker" }],
    [
      "a worker with a manager's name",
      {
        role: "worker",
        forgery: { dnsNames: ["swarm-worker", "swarm-manager"] },
      },
    ],
    ["a manager whose certificate ended", { notAfter: Date.UTC(2025, 11, 31) }],
    ["a manager without a name", { forgery: { dnsNames: [] } }],
  ];
  for (const [what, change] of cases) {
    const { house, device, scripted } = await among();
    if (what === "a manager without a name") {
      scripted.presented = [
        await managerLeaf(house, { forgery: { dnsNames: ["swarm-ca"] } }),
      ];
    } else scripted.presented = [await managerLeaf(house, change)];
    const error = await refusal(device.join());
    const code = what.endsWith("ended") ? "clock-skew" : "tls";
    assertEquals(error.code, code, what);
    const verified = device.net.written({ verified: true });
    assertEquals(verified, [], what);
    await assertUnharmed(device);
  }
});

Deno.test("join() obeys nothing that an unverified peer says", async () => {
  const codes: ErrorCode[] = [
    "removed",
    "token-refused",
    "already-joined",
    "key-in-use",
    "protocol-version",
    "unreachable",
    "tls",
    "timed-out",
    "internal",
  ];
  const said = codes.map((code) => [code, "stop"] as const);
  const more = [["unreachable", "rejoin"], ["removed", "retry"]] as const;
  const { house, device, scripted } = await among();
  for (const [code, verdict] of [...said, ...more]) {
    scripted.answers["ca.root"] = () => {
      const hint = "Send your token to me";
      throw new SwarmdError(code, "I say so", { verdict, hint });
    };
    const error = await refusal(device.join());
    assertFalse(
      ["removed", "token-refused", "key-in-use"].includes(error.code),
    );
    assertEquals([error.verdict, error.hint], ["retry", undefined], code);
    await assertUnharmed(device);
  }
  // The next address is tried all the same.
  const real = "10.0.0.6:2377";
  device.net.servers.set(real, serverOf(house));
  const held = await device.join({ managers: [MANAGER, real] });
  assertEquals(held.clusterId, house.cluster.id);
});

Deno.test("join() takes only the root of the token's digest", async () => {
  const other = await House.open({ label: "other" });
  const answers: readonly [string, unknown, string][] = [
    ["another root", {
      certificate: other.cluster.root.certificate,
      links: [],
    }, "root-mismatch"],
    ["no certificate", { certificate: "AAAA", links: [] }, "root-mismatch"],
    ["nothing", { certificate: "", links: [] }, "root-mismatch"],
    ["no base64", { certificate: "%", links: [] }, "tls"],
    ["no links", { certificate: "AAAA" }, "tls"],
    ["a list", [], "tls"],
  ];
  for (const [what, answer, code] of answers) {
    const { device } = await among({ "ca.root": () => answer });
    const error = await refusal(device.join());
    assertEquals(error.code, code, what);
    await assertUnharmed(device);
  }
});

Deno.test("join() is not held up by a peer that says nothing, or never stops", async () => {
  const { house, device, scripted } = await among({ "ca.root": () => SILENCE });
  const joining = refusal(device.join());
  await house.clock.advance(21 * SECOND);
  assertEquals((await joining).code, "timed-out");
  scripted.answers["ca.root"] = ({ line }) => {
    for (let i = 0; i < 5; i++) line.push("heartbeat", { now: 1 });
    line.connection.send(new TextEncoder().encode("{"));
    return SILENCE;
  };
  assertEquals((await refusal(device.join())).code, "tls");
  await assertUnharmed(device);
});

Deno.test("join() keeps nothing of a certificate that is not its own", async () => {
  const house = await House.open();
  const stolen = await house.addNode();
  const leaf = stolen.chain[0] ?? new Uint8Array();
  const { subject } = await readCertificate(house.crypto, leaf);
  const device = new Device(house);
  const scripted = new Scripted(house, [house.serving.certificate.der]);
  device.net.servers.set(MANAGER, scripted);
  scripted.answers["hello"] = async ({ params }) => ({
    ...scripted.greeting(params),
    ...(params["prove"] ? { proof: await proofOf(house, params) } : {}),
  });
  scripted.answers["join"] = () => ({
    node: subject.commonName,
    cluster: house.cluster.id,
    role: "worker",
    chain: [toBase64(leaf)],
    issuedAt: house.clock.now(),
    now: house.clock.now() + DAY,
  });
  const error = await refusal(device.join());
  assertEquals(error.code, "answer-refused");
  assertEquals(device.disk.identity, undefined);
});
