import { assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { DAY } from "../../lib/base/time.ts";
import type { Peer } from "../../lib/cluster/admission.ts";
import { Gatekeeper } from "../../lib/manager/gatekeeper.ts";
import { type LeafProfile, newSerial } from "../../lib/pki/profile.ts";
import { forgeLeaf } from "../fakes/forge.ts";
import { forge, forgeCa } from "../pki/material.ts";
import { House, NOW, type TestNode } from "./house.ts";

function factsOf(presented: readonly Bytes[]) {
  const remote = { host: "10.0.0.9", port: 1 };
  return { remote, tlsVersion: "TLSv1.3", resumed: false, presented };
}

async function identify(
  house: House,
  presented: readonly Bytes[],
): Promise<string> {
  return short(await house.gatekeeper.identify(factsOf(presented)));
}

function short(peer: Peer): string {
  if (peer.kind === "node") return `${peer.role} by ${peer.certificate}`;
  if (peer.kind === "recovering") return `recovering: ${peer.reason}`;
  return peer.kind === "refused" ? peer.code : peer.kind;
}

/** A gatekeeper whose work is counted, and whose anchors are changed. */
async function counted() {
  const house = await House.open();
  const roots = [house.authority.root];
  const none = { intermediates: [], dropped: [] };
  const state = { verified: 0, anchors: { roots, ...none } };
  const crypto = house.crypto;
  const counting = {
    generateKey: () => crypto.generateKey(),
    importPkcs8: crypto.importPkcs8.bind(crypto),
    exportPkcs8: crypto.exportPkcs8.bind(crypto),
    sign: crypto.sign.bind(crypto),
    verify: (request: Parameters<typeof crypto.verify>[0]) => {
      state.verified++;
      return crypto.verify(request);
    },
    sha256: crypto.sha256.bind(crypto),
    hmacSha256: crypto.hmacSha256.bind(crypto),
    seal: crypto.seal.bind(crypto),
    open: crypto.open.bind(crypto),
  };
  const gatekeeper = new Gatekeeper({
    store: house.store,
    crypto: counting,
    clock: house.clock,
    authorities: state,
  });
  house.gatekeeper = gatekeeper;
  return { house, state };
}

Deno.test("Gatekeeper tells nodes by what they really presented", async () => {
  const house = await House.open();
  const worker = await house.addNode();
  const seen = await house.addSeenNode();
  assertEquals(await identify(house, []), "anonymous");
  assertEquals(await identify(house, worker.chain), "worker by pending");
  assertEquals(await identify(house, seen.chain), "worker by current");
  const own = house.serving.certificate.der;
  assertEquals(await identify(house, [own]), "manager by current");
});

Deno.test("Gatekeeper refuses the root itself, and other clusters' nodes", async () => {
  const house = await House.open();
  const other = await House.open({ label: "other" });
  const stranger = await other.addSeenNode();
  const { der } = house.authority.root;
  assertEquals(await identify(house, [der]), "foreign-cluster");
  assertEquals(await identify(house, stranger.chain), "foreign-cluster");
  // It does not help to send our root along.
  assertEquals(
    await identify(house, [...stranger.chain, der]),
    "foreign-cluster",
  );
});

Deno.test("Gatekeeper refuses what is no certificate, or is a great many", async () => {
  const house = await House.open();
  const { chain: [leaf = new Uint8Array()] } = await house.addSeenNode();
  const cases = [
    [new Uint8Array()],
    [new Uint8Array(10)],
    [new Uint8Array(40_000)],
    [leaf.slice(0, -1)],
    [leaf, new Uint8Array(3)],
    [new Uint8Array(3), leaf],
    Array.from({ length: 5 }, () => leaf),
    Array.from({ length: 1_000 }, () => leaf),
  ];
  for (const presented of cases) {
    const peer = await house.gatekeeper.identify(factsOf(presented));
    assertEquals(short(peer), "unverified-chain", `${presented.length}`);
  }
  const four = Array.from({ length: 4 }, () => leaf);
  assertEquals(await identify(house, four), "worker by current");
});

Deno.test("Gatekeeper refuses a version 1 leaf, whose key is not proved (T4)", async () => {
  const house = await House.open();
  const ca = await forgeCa({});
  const { certificate } = await forge({ issuer: ca, version: 1 });
  const peer = await house.gatekeeper.identify(factsOf([certificate.der]));
  assertEquals(short(peer), "unverified-chain");
  const text = peer.kind === "refused" ? peer.message : "";
  assertEquals(text.includes("of version 1, want 3"), true, text);
});

Deno.test("Gatekeeper refuses what the stolen key of the authority signed, by fingerprint", async () => {
  const house = await House.open();
  const worker = await house.addSeenNode();
  const manager = house.manager.id;
  for (const [nodeId, role] of [[worker.id, "worker"], [manager, "manager"]]) {
    const der = await forgeLeaf(house.crypto, {
      forger: house.authority,
      profile: {
        clusterId: house.cluster.id,
        nodeId: nodeId ?? "",
        role: role === "manager" ? "manager" : "worker",
        spki: worker.key.spki,
        serial: newSerial(house.random),
        notBefore: NOW - DAY,
        notAfter: NOW + DAY,
        dnsNames: [],
        ipAddresses: [],
      },
    });
    assertEquals(await identify(house, [der]), "recovering: replaced");
  }
});

Deno.test("Gatekeeper judges the dates anew at each look", async () => {
  const { house } = await counted();
  const { chain } = await house.addSeenNode();
  assertEquals(await identify(house, chain), "worker by current");
  house.clock.stepWall(-2 * DAY);
  assertEquals(await identify(house, chain), "not-yet-valid");
  house.clock.stepWall(2 * DAY);
  // The end is the last moment of validity (RFC 5280 §4.1.2.5).
  await house.clock.advance(90 * DAY);
  assertEquals(await identify(house, chain), "worker by current");
  await house.clock.advance(1);
  assertEquals(await identify(house, chain), "recovering: expired");
});

Deno.test("Gatekeeper judges by the anchors of the moment", async () => {
  const { house, state } = await counted();
  const { chain } = await house.addSeenNode();
  assertEquals(await identify(house, chain), "worker by current");
  const other = await House.open({ label: "other" });
  const rest = { intermediates: [], dropped: [] };
  state.anchors = { roots: [other.authority.root], ...rest };
  // It stands in the record, so that it was issued here.
  assertEquals(await identify(house, chain), "recovering: dropped-root");
  state.anchors = { roots: [house.authority.root], ...rest };
  assertEquals(await identify(house, chain), "worker by current");
});

Deno.test("Gatekeeper reads the record at each look", async () => {
  const { house } = await counted();
  const { id, chain } = await house.addSeenNode();
  assertEquals(await identify(house, chain), "worker by current");
  await house.change(id, { admission: "suspended" });
  assertEquals(await identify(house, chain), "suspended");
  await house.remove(id);
  assertEquals(await identify(house, chain), "removed");
});

Deno.test("Gatekeeper remembers nothing of a refused chain", async () => {
  const { house, state } = await counted();
  const other = await House.open({ label: "other" });
  const node = await house.addSeenNode();
  // An authority of the same name, another key: signatures are looked at.
  const { subjectKeyId: _, ...root } = other.authority.root;
  const leaf = await forgeLeaf(house.crypto, {
    forger: { ...other.authority, root },
    profile: workerProfile(house, node),
  });
  assertEquals(await identify(house, [leaf]), "unverified-chain");
  const once = state.verified;
  assertEquals(once > 0, true);
  await identify(house, [leaf]);
  assertEquals(state.verified, 2 * once);
});

Deno.test("Gatekeeper looks at no signature of a stranger", async () => {
  const { house, state } = await counted();
  const other = await House.open({ label: "other" });
  const stranger = await other.addSeenNode();
  const gone = await house.addSeenNode();
  await house.remove(gone.id);
  assertEquals(await identify(house, stranger.chain), "foreign-cluster");
  assertEquals(await identify(house, gone.chain), "removed");
  assertEquals(state.verified, 0);
});

function workerProfile(house: House, node: TestNode): LeafProfile {
  return {
    clusterId: house.cluster.id,
    nodeId: node.id,
    role: "worker",
    spki: node.key.spki,
    serial: newSerial(house.random),
    notBefore: NOW - DAY,
    notAfter: NOW + DAY,
    dnsNames: [],
    ipAddresses: [],
  };
}
