import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cluster } from "./cluster.ts";
import { eventually } from "./harness.ts";

const ROOT = "certificates/swarm-root-ca.crt";
const LEAF = "certificates/swarm-node.crt";

/** What the real curl got. */
interface Fetched {
  readonly status: string;
  readonly headers: string;
}

/** Fetches with the real curl; the body goes to `body` in the folder. */
async function curl(
  cluster: Cluster,
  { folder, query = "", header }: {
    readonly folder: OpensslFolder;
    readonly query?: string;
    readonly header?: string;
  },
): Promise<Fetched> {
  const { stdout, stderr } = await new Deno.Command("curl", {
    args: [
      ...["-sS", "--noproxy", "*", "--max-time", "20", "-w", "%{http_code}"],
      ...["--cacert", `${cluster.dir()}/${ROOT}`, "-D", "headers"],
      ...["-o", "body", ...header === undefined ? [] : ["-H", header]],
      `https://${cluster.listen}/v1/ca/crl${query}`,
    ],
    cwd: folder.path,
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  const headers = (await folder.read("headers")).toLowerCase();
  return { status: decoder.decode(stdout), headers };
}

function field(headers: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*?)\r?$`, "m").exec(headers)?.[1];
}

Deno.test("anyone gets the revocation list, and openssl refuses a replaced certificate by it", async () => {
  await using cluster = await Cluster.start({ life: "10s" });
  await using folder = await OpensslFolder.create();
  await cluster.connectedWorker("w");
  await Deno.copyFile(`${cluster.dir()}/${ROOT}`, `${folder.path}/root.pem`);
  await Deno.copyFile(`${cluster.dir("w")}/${LEAF}`, `${folder.path}/old.pem`);
  const at = Math.floor(Date.now() / 1000);
  const verify = async (name: string) => {
    await folder.run("crl -inform DER -in body -out list.pem");
    return await folder.try(
      `verify -attime ${at} -crl_check -CRLfile list.pem -CAfile root.pem ${name}`,
    );
  };

  const first = await curl(cluster, { folder });
  assertEquals(first.status, "200");
  assertEquals(field(first.headers, "content-type"), "application/pkix-crl");
  assertStringIncludes((await verify("old.pem")).stdout, "old.pem: OK");

  const refused = await eventually(
    "the certificate to be revoked",
    async () => {
      const { status } = await curl(cluster, { folder });
      // It asks more often than an address may
      if (status === "429") return undefined;
      assertEquals(status, "200");
      const result = await verify("old.pem");
      return result.code === 0 ? undefined : result;
    },
  );
  assertStringIncludes(refused.stderr, "certificate revoked");
  const text = await folder.run(
    "crl -in list.pem -noout -text -CAfile root.pem",
  );
  assertStringIncludes(text, "verify OK");
  assertStringIncludes(text, "Superseded");
});

Deno.test("the revocation list has a tag, a number, and an issuer to ask for", async () => {
  await using cluster = await Cluster.start();
  await using folder = await OpensslFolder.create();
  const { headers } = await curl(cluster, { folder });
  const etag = field(headers, "etag") ?? "none";
  const numberOf = async () =>
    /crlNumber=(?:0x)?([0-9A-F]+)/.exec(
      await folder.run("crl -inform DER -in body -noout -crlnumber"),
    )?.[1] ?? "0";
  const number = BigInt(`0x${await numberOf()}`);
  const header = `If-None-Match: ${etag}`;
  const same = await curl(cluster, { folder, header });
  assertEquals(same.status, "304");
  assertEquals(field(same.headers, "etag"), etag);
  assertEquals(field(same.headers, "content-length"), undefined);

  const root = await Deno.readTextFile(`${cluster.dir()}/${ROOT}`);
  await folder.write("root.pem", root);
  const shown = await folder.run(
    "x509 -in root.pem -noout -ext subjectKeyIdentifier",
  );
  const keyId = /(?:[0-9A-F]{2}:){19}[0-9A-F]{2}/.exec(shown)?.[0] ?? "";
  const issuer = keyId.replaceAll(":", "");
  const status = async (query: string) =>
    (await curl(cluster, { folder, query })).status;
  assertEquals(await status(`?issuer=${issuer}`), "200");
  assertEquals(await status(`?issuer=${"00".repeat(20)}`), "404");
  assertEquals(await status("?issuer=x"), "400");

  await cluster.manager.stop();
  await cluster.runManager();
  assertEquals((await curl(cluster, { folder, header })).status, "200");
  assert(BigInt(`0x${await numberOf()}`) > number);
});
