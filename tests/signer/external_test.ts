import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Bytes,
  fromBase64,
  fromUtf8,
  utf8,
} from "../../lib/base/bytes.ts";
import { hasCode, SwarmdError } from "../../lib/base/errors.ts";
import { newId } from "../../lib/base/random.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import {
  issueLeaf,
  type LeafProfile,
  newSerial,
} from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import type { Post } from "../../lib/signer/cfssl.ts";
import { externalSigner } from "../../lib/signer/external.ts";
import { FakeClock, turn } from "../fakes/clock.ts";
import { SeededRandom } from "../fakes/random.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";

const random = new SeededRandom(11);
const crypto = new SimCrypto(random);
const clusterId = newId(random);
const NOW = Date.UTC(2026, 0, 1);
const AUTH_KEY = new Uint8Array(32);

/** How a made-up authority answers. */
type Mood = "signs" | "hangs" | "fails" | "blunders" | "refuses" | "raves";

async function newRoot() {
  const key = await crypto.generateKey();
  const der = await createRoot(crypto, {
    random,
    now: NOW,
    generation: 1,
    key,
  });
  return { certificate: await readCertificate(crypto, der), key };
}

/** Authorities `https://a`, `https://b` and so on, that do as they are told. */
class Rig {
  readonly clock = new FakeClock(NOW, turn);
  moods: Record<string, Mood>;
  /** Hosts that were asked to sign, in order. */
  asked: string[] = [];
  probed: string[] = [];
  readonly lines: string[] = [];
  readonly #profiles = new Map<string, LeafProfile>();
  readonly #root: Awaited<ReturnType<typeof newRoot>>;
  readonly #log = (message: string) => void this.lines.push(message);
  readonly signer;

  constructor(
    root: Awaited<ReturnType<typeof newRoot>>,
    moods: Record<string, Mood>,
  ) {
    this.moods = moods;
    this.#root = root;
    this.signer = externalSigner({
      authorities: Object.keys(moods).map((host) => ({
        url: `https://${host}`,
        authKey: AUTH_KEY,
        credentials: { rootsPem: "" },
      })),
      issuer: root.certificate,
      intermediates: [],
      crypto,
      clock: this.clock,
      logger: {
        debug: this.#log,
        info: this.#log,
        warn: this.#log,
        error: this.#log,
      },
      post: (request) => this.#post(request),
    });
  }

  static async open(moods: Record<string, Mood>): Promise<Rig> {
    return new Rig(await newRoot(), moods);
  }

  /** Starts an issue. */
  async issue(): Promise<Bytes> {
    const key = await crypto.generateKey();
    const now = Math.floor(this.clock.now() / SECOND) * SECOND;
    const profile: LeafProfile = {
      clusterId,
      nodeId: newId(random),
      role: "worker",
      spki: key.spki,
      serial: newSerial(random),
      notBefore: now - HOUR,
      notAfter: now + DAY,
      dnsNames: [],
      ipAddresses: [],
    };
    this.#profiles.set(profile.nodeId, profile);
    return await this.signer.issue(profile, await createCsr(crypto, key));
  }

  /** Starts so many, and tells how each ends: the code of its error, or `ok`. */
  issueMany(count: number): { readonly ends: string[] } {
    const ends: string[] = [];
    for (let i = 0; i < count; i++) {
      this.issue().then(
        () => ends.push("ok"),
        (error) => ends.push(error instanceof SwarmdError ? error.code : "?"),
      );
    }
    return { ends };
  }

  readonly #post: (...args: Parameters<Post>) => ReturnType<Post> = async (
    { url, body, timeoutMs },
  ) => {
    const isProbe = url.pathname === "/info";
    (isProbe ? this.probed : this.asked).push(url.host);
    const mood = this.moods[url.host];
    if (mood === "hangs") await this.#timeout(timeoutMs);
    if (mood === "fails") throw new SwarmdError("unreachable", "no way there");
    if (mood === "refuses" && !isProbe) return refusal(9002, "Bad CSR");
    if (mood === "raves") {
      const noise = `${this.asked.length}\u202e\u009b31m${"x".repeat(9_000)}`;
      return refusal(1, noise);
    }
    if (mood === "blunders") throw new TypeError("a mistake");
    return isProbe
      ? answer(this.#root.certificate.der)
      : answer(await this.#sign(body));
  };

  #timeout(timeoutMs: number): Promise<never> {
    return new Promise((_, reject) =>
      this.clock.schedule(
        timeoutMs,
        () => reject(new SwarmdError("timed-out", "no answer")),
      )
    );
  }

  async #sign(body: Bytes): Promise<Bytes> {
    const { request } = JSON.parse(fromUtf8(body));
    const { subject } = JSON.parse(fromUtf8(fromBase64(request)));
    const profile = this.#profiles.get(subject.CN);
    assert(profile);
    return await issueLeaf(crypto, {
      profile: { ...profile, serial: newSerial(random) },
      issuer: this.#root.certificate,
      issuerKey: this.#root.key.privateKey,
    });
  }
}

function answer(der: Bytes) {
  const result = { certificate: encodePem("CERTIFICATE", der) };
  return { status: 200, body: utf8(JSON.stringify({ success: true, result })) };
}

function refusal(code: number, message: string) {
  const errors = [{ code, message }];
  return {
    status: 400,
    body: utf8(JSON.stringify({ success: false, errors })),
  };
}

Deno.test("externalSigner() asks the next when one refuses a request, tells so, and has it rest once another signed", async () => {
  const rig = await Rig.open({ a: "refuses", b: "signs" });
  await rig.issue();
  await rig.issue();
  assertEquals(rig.asked, ["a", "b", "b"]);
  const fault = 'it answers HTTP status 400, error 9002, "Bad CSR"';
  assertEquals(rig.signer.health()[0], { url: "https://a", fault });
  assertEquals(rig.lines, ["External authority is of no use now"]);
  await rig.signer.check();
  assertEquals(rig.signer.health()[0]?.fault, fault);
});

Deno.test("externalSigner() refuses a request when all refuse it, and asks all again for the next", async () => {
  const rig = await Rig.open({ a: "refuses", b: "refuses" });
  for (let i = 0; i < 3; i++) {
    const error = await assertRejects(() => rig.issue(), SwarmdError);
    assertEquals([error.code, error.verdict], ["csr-refused", "stop"]);
  }
  assertEquals(rig.asked, ["a", "b", "a", "b", "a", "b"]);
  assertEquals(rig.signer.health().filter(({ fault }) => fault).length, 2);
  // Not one at a time: the request may have been what was wrong
  rig.moods = { a: "signs", b: "signs" };
  rig.asked = [];
  const { ends } = rig.issueMany(8);
  await rig.clock.advance(1);
  assertEquals([ends.length, new Set(rig.asked).size], [8, 1]);
  assertEquals(rig.signer.health()[0], { url: "https://a" });
});

Deno.test("externalSigner() has a request come again when one refuses it and another does not answer", async () => {
  const rig = await Rig.open({ a: "refuses", b: "fails" });
  const error = await assertRejects(() => rig.issue(), SwarmdError);
  assertEquals([error.code, error.verdict], ["signer-unavailable", "retry"]);
});

Deno.test("externalSigner() bounds what an authority says, and warns of it once a minute at most", async () => {
  const rig = await Rig.open({ a: "raves" });
  for (let i = 0; i < 60; i++) {
    await assertRejects(() => rig.issue(), SwarmdError);
    await rig.clock.advance(SECOND);
  }
  assertEquals(rig.lines.length, 1);
  const { fault = "" } = rig.signer.health()[0] ?? {};
  assert(fault.length <= 220, `${fault.length}`);
  assertMatch(fault, /error 1, "60\?\?31mxxx/);
  await assertRejects(() => rig.issue(), SwarmdError);
  assertEquals(rig.lines.length, 2);
  for (const mood of ["signs", "raves", "signs", "raves", "signs"] as const) {
    rig.moods["a"] = mood;
    await rig.issue().catch(() => {});
  }
  assertEquals(rig.lines.slice(2), ["External authority is back"]);
});

Deno.test("externalSigner() asks in order, and one that failed after all others until it has rested", async () => {
  const rig = await Rig.open({ a: "fails", b: "signs", c: "signs" });
  await rig.issue();
  assertEquals(rig.asked, ["a", "b"]);
  await rig.clock.advance(15 * SECOND - 1);
  await rig.issue();
  assertEquals(rig.asked, ["a", "b", "b"]);
  await rig.clock.advance(1);
  rig.moods["a"] = "signs";
  await rig.issue();
  await rig.issue();
  assertEquals(rig.asked, ["a", "b", "b", "a", "a"]);
  assertEquals(rig.lines, [
    "External authority is of no use now",
    "External authority is back",
  ]);
});

Deno.test("externalSigner() lets one that fails rest twice as long each time, up to 10 minutes", async () => {
  const rig = await Rig.open({ a: "fails", b: "signs" });
  await rig.issue();
  for (const rest of [15, 30, 60, 120, 240, 480, 600, 600]) {
    await rig.clock.advance(rest * SECOND - 1);
    await rig.issue();
    assertEquals(rig.asked.filter((host) => host === "a").length, 1, `${rest}`);
    await rig.clock.advance(1);
    rig.asked = [];
    await rig.issue();
    assertEquals(rig.asked, ["a", "b"], `${rest}`);
  }
  assertEquals(rig.lines.length, 1);
});

Deno.test("externalSigner() says of every authority why it could not sign, and asks each once", async () => {
  const rig = await Rig.open({ a: "fails", b: "fails" });
  const error = await assertRejects(() => rig.issue(), SwarmdError);
  assertEquals([error.code, error.verdict], ["signer-unavailable", "retry"]);
  assertEquals(
    error.message,
    "Cannot get a certificate signed: https://a: no way there; https://b: no way there",
  );
  assertEquals(rig.asked, ["a", "b"]);
  rig.moods["b"] = "signs";
  await rig.issue();
});

Deno.test("externalSigner() holds up 8 requests at most when an authority hangs, then one at a time", async () => {
  const rig = await Rig.open({ a: "hangs", b: "signs" });
  const first = rig.issueMany(16);
  await rig.clock.advance(1);
  assertEquals(first.ends.length, 8);
  await rig.clock.advance(10 * SECOND);
  assertEquals(first.ends, Array(16).fill("ok"));
  await rig.clock.advance(15 * SECOND);
  rig.asked = [];
  const second = rig.issueMany(16);
  await rig.clock.advance(1);
  assertEquals(second.ends.length, 15);
  assertEquals(rig.asked.filter((host) => host === "a").length, 1);
  await rig.clock.advance(10 * SECOND);
  assertEquals(second.ends.length, 16);
});

Deno.test("externalSigner() asks one authority 8 times at once, and lets 1024 wait as long as a request may last", async () => {
  const rig = await Rig.open({ a: "hangs" });
  const { ends } = rig.issueMany(8 + 1_024 + 3);
  await rig.clock.advance(1);
  assertEquals(rig.asked.length, 8);
  assertEquals(ends, Array(3).fill("signer-unavailable"));
  await rig.clock.advance(10 * SECOND);
  // The 8, and whoever waited; one of those may have been asked for meanwhile
  assert(ends.length >= 8 + 1_024 + 3 - 1, `${ends.length}`);
  await rig.clock.advance(10 * SECOND);
  assertEquals(ends, Array(8 + 1_024 + 3).fill("signer-unavailable"));
  assertEquals(rig.clock.pending, 0);
  rig.moods["a"] = "signs";
  await rig.issue();
});

Deno.test("externalSigner() serves everyone who waits when the authority is only busy", async () => {
  const rig = await Rig.open({ a: "signs" });
  const { ends } = rig.issueMany(1_000);
  await rig.clock.advance(1);
  assertEquals(ends, Array(1_000).fill("ok"));
  assertEquals(rig.clock.pending, 0);
});

Deno.test("check() finds out who is of no use before anybody is held up, and who is back", async () => {
  const rig = await Rig.open({ a: "hangs", b: "signs" });
  const checking = rig.signer.check();
  await rig.clock.advance(10 * SECOND);
  await checking;
  assertEquals(rig.signer.health(), [
    { url: "https://a", fault: "no answer" },
    { url: "https://b" },
  ]);
  await rig.issue();
  assertEquals(rig.asked, ["b"]);
  rig.moods["a"] = "signs";
  await rig.clock.advance(30 * SECOND);
  await rig.signer.check();
  assertEquals(rig.probed, ["a", "b", "a", "b"]);
  assertEquals(rig.signer.health()[0], { url: "https://a" });
  await rig.issue();
  assertEquals(rig.asked, ["b", "a"]);
  assertEquals(rig.clock.pending, 0);
});

Deno.test("check() does not forgive an authority that answers it and does not sign", async () => {
  const rig = await Rig.open({ a: "fails", b: "signs" });
  await rig.issue();
  rig.moods["a"] = "signs";
  const [a] = await rig.signer.check();
  assertEquals(a, { url: "https://a", fault: "no way there" });
  await rig.clock.advance(MINUTE);
  await rig.issue();
  assertEquals(rig.signer.health()[0], { url: "https://a" });
});

Deno.test("check() says who signs with another key", async () => {
  const rig = await Rig.open({ a: "signs" });
  const other = new Rig(await newRoot(), { a: "signs" });
  const signer = externalSigner({
    authorities: [{ url: "https://a", credentials: { rootsPem: "" } }],
    issuer: other.signer.issuer,
    intermediates: [],
    crypto,
    clock: rig.clock,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    post: () => Promise.resolve(answer(rig.signer.issuer.der)),
  });
  const [a] = await signer.check();
  assertStringIncludes(a?.fault ?? "", "another authority");
});

Deno.test("externalSigner() swallows no mistake of the program, and goes on after one", async () => {
  const rig = await Rig.open({ a: "blunders" });
  for (let i = 0; i < 10; i++) {
    const error = await assertRejects(() => rig.issue(), TypeError);
    assert(!hasCode(error, "signer-unavailable"));
  }
  rig.moods["a"] = "signs";
  await rig.issue();
});

Deno.test("externalSigner() wants an authority", async () => {
  const root = await newRoot();
  assertThrows(() => new Rig(root, {}), RangeError);
});
