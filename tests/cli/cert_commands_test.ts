import { assertEquals, assertStringIncludes } from "@std/assert";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { toHex } from "../../lib/base/bytes.ts";
import { openIdentityFiles } from "../../lib/disk/identity_files.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import {
  type Holder,
  NOW,
  realCrypto,
  realLeaf,
  realRoot,
} from "../pki/material.ts";
import { runLine } from "./fake_host.ts";

async function inFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-cli-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function pem(...holders: Holder[]): string {
  return holders.map(({ certificate }) =>
    encodePem("CERTIFICATE", certificate.der)
  ).join("");
}

Deno.test("cert show shows a manager's certificate and its chain from a file", () =>
  inFolder(async (folder) => {
    const root = await realRoot();
    const leaf = await realLeaf(root, {
      role: "manager",
      dnsNames: ["m1.example.org"],
      ipAddresses: ["10.0.0.5", "2001:db8::5"],
    });
    const file = `${folder}/chain.pem`;
    await Deno.writeTextFile(file, pem(leaf, root));
    const { profile: { clusterId, nodeId }, certificate } = leaf;
    const keyDigest = toHex(await realCrypto.sha256(certificate.spki));
    assertEquals(await runLine(["cert", "show", file], { now: NOW }), {
      code: 0,
      stdout: [
        `subject      O=${clusterId}, OU=swarm-manager, CN=${nodeId}`,
        "role         manager",
        `node         ${nodeId}`,
        `cluster      ${clusterId}`,
        "issuer       CN=swarm-ca",
        `serial       ${certificate.serial}`,
        "not before   2025-12-31T23:00:00Z (1h ago)",
        "not after    2026-04-01T00:00:00Z (in 90d)",
        "key          p256, 256 bits",
        "DNS name     swarm-manager",
        `             ${nodeId}`,
        "             swarm-ca",
        "             m1.example.org",
        "IP address   10.0.0.5",
        "             2001:db8::5",
        `URI          spiffe://${clusterId}/node/${nodeId}`,
        `SHA-256      ${certificate.fingerprint}`,
        `key SHA-256  ${keyDigest}`,
        `chain        CN=swarm-ca, not after ${ends(root)}`,
        "",
      ].join("\n"),
      stderr: "",
    });
  }));

function ends({ certificate }: Holder): string {
  const iso = new Date(certificate.notAfter).toISOString().replace(".000", "");
  const days = Math.floor((certificate.notAfter - NOW) / DAY);
  const hours = (certificate.notAfter - NOW) % DAY / HOUR;
  return `${iso} (in ${days}d${hours === 0 ? "" : `${hours}h`})`;
}

Deno.test("cert show writes JSON with the names apart", () =>
  inFolder(async (folder) => {
    const root = await realRoot();
    const leaf = await realLeaf(root);
    const file = `${folder}/leaf.pem`;
    await Deno.writeTextFile(file, pem(leaf));
    const { stdout } = await runLine(["cert", "show", "--json", file]);
    const { profile: { clusterId, nodeId }, certificate } = leaf;
    assertEquals(JSON.parse(stdout), {
      subject: `O=${clusterId}, OU=swarm-worker, CN=${nodeId}`,
      issuer: "CN=swarm-ca",
      serial: certificate.serial,
      notBefore: "2025-12-31T23:00:00Z",
      notAfter: "2026-04-01T00:00:00Z",
      fingerprint256: certificate.fingerprint,
      role: "worker",
      node: nodeId,
      cluster: clusterId,
      isCa: false,
      dnsNames: ["swarm-worker", nodeId],
      ipAddresses: [],
      uris: [`spiffe://${clusterId}/node/${nodeId}`],
      publicKey256: toHex(await realCrypto.sha256(certificate.spki)),
      chain: [],
    });
  }));

Deno.test("cert show shows a certificate of no node without a role", () =>
  inFolder(async (folder) => {
    const file = `${folder}/root.pem`;
    await Deno.writeTextFile(file, pem(await realRoot()));
    const human = await runLine(["cert", "show", file]);
    assertEquals([human.code, human.stdout.match(/^(?:role|node) /m)], [
      0,
      null,
    ]);
    const { stdout } = await runLine(["cert", "show", "--json", file]);
    const shown = JSON.parse(stdout);
    assertEquals([shown.role, shown.cluster, shown.isCa], [null, null, true]);
  }));

/** Has a state directory hold the identity of a node. */
async function saveIdentity(stateDir: string) {
  const root = await realRoot();
  const leaf = await realLeaf(root);
  const files = await openIdentityFiles(stateDir);
  await files.save({
    rootsPem: pem(root),
    certificatePem: pem(leaf, root),
    keyPem: encodePem("PRIVATE KEY", new Uint8Array(8)),
  });
  return leaf;
}

Deno.test("cert show shows the node's own certificate without a running node", () =>
  inFolder(async (stateDir) => {
    const leaf = await saveIdentity(stateDir);
    const argv = ["cert", "show", "--json", "--state-dir", stateDir];
    const { code, stdout } = await runLine(argv);
    const shown = JSON.parse(stdout);
    assertEquals([code, shown.node], [0, leaf.profile.nodeId]);
    assertEquals(shown.chain.length, 1);
  }));

Deno.test("cert show names the file of an identity that is damaged", () =>
  inFolder(async (stateDir) => {
    await saveIdentity(stateDir);
    await Deno.truncate(`${stateDir}/certificates/swarm-node.key`);
    const argv = ["cert", "show", "--state-dir", stateDir];
    const { code, stderr } = await runLine(argv);
    assertEquals(code, 6);
    assertStringIncludes(stderr, "swarm-node.key");
  }));

Deno.test("cert show says what is missing or cannot be read", () =>
  inFolder(async (folder) => {
    const file = `${folder}/file.pem`;
    await Deno.writeTextFile(file, "-----BEGIN CERTIFICATE-----\nno\n");
    const cases: [argv: string[], code: number, stderr: string][] = [
      [["--state-dir", folder], 3, `"${folder}" holds no identity`],
      [["--state-dir", `${folder}/none`], 3, `/none" holds no identity`],
      [[`${folder}/none.pem`], 18, `Cannot show "${folder}/none.pem": no such`],
      [[file], 6, `Cannot show "${file}": `],
      [[folder], 8, `Cannot read "${folder}": `],
    ];
    for (const [argv, code, text] of cases) {
      const outcome = await runLine(["cert", "show", ...argv]);
      assertEquals([outcome.code, outcome.stdout], [code, ""], text);
      assertStringIncludes(outcome.stderr, text);
    }
  }));
