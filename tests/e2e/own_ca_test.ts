import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { make, PASSPHRASE } from "../pki/ca_files.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cluster } from "./cluster.ts";
import { swarmd } from "./harness.ts";

/** A root, an intermediate of P-384 below it, and its key, also encrypted. */
async function corporate(folder: OpensslFolder): Promise<void> {
  await make(folder, "root", { key: "RSA -pkeyopt rsa_keygen_bits:2048" });
  await make(folder, "issuing", {
    key: "EC -pkeyopt ec_paramgen_curve:P-384",
    issuer: "root",
  });
  await folder.run(
    `pkcs8 -topk8 -in issuing.key -out sealed.key -v2 aes-256-cbc -passout pass:${
      PASSPHRASE.replace(" ", "")
    }`,
  );
  await folder.write("chain.pem", await texts(folder, "issuing", "root"));
  await folder.write("passphrase", `${PASSPHRASE.replace(" ", "")}\n`);
}

async function texts(
  folder: OpensslFolder,
  ...names: string[]
): Promise<string> {
  const all = names.map((name) => folder.read(`${name}.pem`));
  return (await Promise.all(all)).join("");
}

interface Authority {
  readonly cert: string;
  readonly key: string;
  readonly more?: readonly string[];
  /** What `openssl verify` takes as anchors, and how. */
  readonly verify: string;
}

const AUTHORITIES: Readonly<Record<string, Authority>> = {
  "an RSA root": {
    cert: "root.pem",
    key: "root.key",
    verify: "-CAfile root.pem",
  },
  "an intermediate of P-384 whose key is encrypted": {
    cert: "chain.pem",
    key: "sealed.key",
    more: ["--ca-key-passphrase-file=passphrase"],
    verify: "-partial_chain -CAfile issuing.pem",
  },
};

for (const [what, authority] of Object.entries(AUTHORITIES)) {
  Deno.test(`manager init signs with ${what}, and a worker joins, renews and comes back`, async () => {
    await using folder = await OpensslFolder.create();
    await corporate(folder);
    const { cert, key, more = [], verify } = authority;
    const inFolder = (option: string) =>
      option.replace("=", `=${folder.path}/`);
    await using cluster = await Cluster.start({
      life: "10m", // a renewal is granted after a thousandth of it
      init: [`--ca-cert=${cert}`, `--ca-key=${key}`, ...more].map(inFolder),
    });
    const { pem } = await cluster.ask<{ pem: string }>("ca", "show");
    const [anchor = ""] = (await folder.read(cert)).split(/(?<=-----END .*\n)/);
    assertEquals(pem.trim(), anchor.trim());

    const worker = await cluster.connectedWorker("w");
    for (const name of ["manager", "w"]) {
      await checkFiles(cluster, name, { folder, verify });
    }
    await cluster.ask("node", "renew", "--all");
    await worker.waitFor("renewed");
    await checkFiles(cluster, "w", { folder, verify });

    await cluster.manager.stop();
    await cluster.runManager();
    await worker.waitFor("connected");
    const rotate = ["ca", "rotate", "--json", `--state-dir=${cluster.dir()}`];
    const { code, stdout } = await swarmd(rotate);
    assertEquals(code, 0, stdout);
    await worker.waitFor("root-changed");
    const { generation } = await cluster.ask<{ generation: number }>(
      ...["ca", "show"] as const,
    );
    assertEquals(generation, 2);
    for (const { path, text } of await filesOf(cluster.dir())) {
      assert(!text.includes("ENCRYPTED PRIVATE KEY"), path);
    }
  });
}

async function checkFiles(
  cluster: Cluster,
  name: string,
  { folder, verify }: { folder: OpensslFolder; verify: string },
): Promise<void> {
  const at = `${cluster.dir(name)}/certificates/swarm-node.crt`;
  await Deno.copyFile(at, `${folder.path}/leaf.pem`);
  const text = await folder.run(
    `verify -x509_strict ${verify} -untrusted leaf.pem leaf.pem`,
  );
  assertStringIncludes(text, "leaf.pem: OK");
  // Who trusts the corporate root alone gets the way to it
  await folder.run("verify -CAfile root.pem -untrusted leaf.pem leaf.pem");
}

async function filesOf(dir: string) {
  const found: { path: string; text: string }[] = [];
  for await (const { name, isFile } of Deno.readDir(dir)) {
    if (!isFile) continue;
    const path = `${dir}/${name}`;
    const bytes = await Deno.readFile(path);
    found.push({ path, text: new TextDecoder("latin1").decode(bytes) });
  }
  return found;
}

const EXTERNAL =
  "--external-ca=protocol=cfssl,url=http://127.0.0.1:1,auth-key=auth";
const REFUSED: readonly [string, string][] = [
  ["--ca-key=root.key", "--ca-key goes with --ca-cert only"],
  ["--ca-cert=root.pem", "--ca-cert goes with --ca-key or --external-ca only"],
  [
    "--ca-cert=root.pem --ca-key=issuing.key",
    "the key is that of another certificate",
  ],
  [
    "--ca-cert=root.pem --ca-key=none",
    'Cannot read --ca-key "none": there is no such file',
  ],
  [
    "--ca-cert=chain.pem --ca-key=sealed.key",
    "it is encrypted, and nobody is there to ask for its passphrase",
  ],
  [
    "--ca-cert=chain.pem --ca-key=sealed.key --ca-key-passphrase-file=auth",
    "the passphrase is wrong",
  ],
  [
    "--ca-cert=root.pem --ca-key=root.key --ca-key-passphrase-file=auth",
    "the key is not encrypted",
  ],
  [
    "--ca-cert=root.pem --ca-key=old.key --ca-key-passphrase-file=auth",
    'a block "RSA PRIVATE KEY", want "PRIVATE KEY"',
  ],
  [
    "--ca-key-passphrase-file=auth",
    "--ca-key-passphrase-file goes with --ca-key only",
  ],
  [
    `--ca-cert=root.pem --ca-key=root.key ${EXTERNAL}`,
    "--ca-key does not go with --external-ca",
  ],
  [`${EXTERNAL} ${EXTERNAL}`, "--external-ca names the same authority twice"],
  ["--external-ca=protocol=acme", "field protocol is not cfssl"],
  [
    EXTERNAL.replace("auth-key=auth", "auth-key=root.pem"),
    "want 16 to 1024 bytes in hexadecimal",
  ],
  [
    "--ca-cert=leaf.pem --ca-key=leaf.key",
    "is not an authority's certificate",
  ],
  [
    "--ca-cert=root.pem --ca-key=root.key --cert-expiry=3600d",
    "too soon for certificates that live",
  ],
];

Deno.test("manager init refuses by name what does not go together, and touches nothing", async () => {
  await using folder = await OpensslFolder.create();
  await corporate(folder);
  await make(folder, "leaf", { extensions: ["basicConstraints=CA:FALSE"] });
  await folder.write("auth", "00".repeat(32));
  await folder.run(
    "rsa -in root.key -traditional -out old.key -aes256 -passout file:auth",
  );
  const before = await namesIn(folder.path);
  for (const [args, says] of REFUSED) {
    const { code, stderr, stdout } = await swarmd(
      ["manager", "init", "--state-dir=state", ...args.split(" ")],
      { under: (command) => ["env", "-C", folder.path, ...command] },
    );
    assertEquals([code, stdout], [2, ""], `${args}: ${stderr}`);
    assertStringIncludes(stderr, says);
    assertEquals(await namesIn(folder.path), before, args);
  }
});

async function namesIn(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.map(({ name }) => name).sort();
}
