import { assertEquals } from "@std/assert";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cfssl } from "../signer/cfssl.ts";
import { CONFIG, withProfile } from "../signer/rig.ts";
import { importedCa } from "../signer/roots.ts";
import { freePort } from "../signer/servers.ts";
import { Cluster } from "./cluster.ts";

Deno.test("ca rotate to the present authority changes its servers, and nobody has to renew", async () => {
  const { anchor, key } = await importedCa("ec:P-384");
  const ca = { certificate: anchor, key };
  await using folder = await OpensslFolder.create();
  await folder.write("auth.key", CONFIG.auth_keys.swarmd.key);
  const config = withProfile({ expiry: "70m" });
  const ports = [freePort(), freePort()];
  const [first, second] = ports.map((port) =>
    `--external-ca=protocol=cfssl,url=http://127.0.0.1:${port},profile=swarmd,auth-key=${folder.path}/auth.key`
  );
  const [from = 0, to = 0] = ports;
  await using old = await Cfssl.start(folder, ca, { config, port: from });
  await using cluster = await Cluster.start({
    life: "10m",
    init: [first ?? ""],
  });
  const worker = await cluster.connectedWorker("w");
  const before = await cluster.ask("ca", "show");
  await using _next = await Cfssl.start(folder, ca, { config, port: to });
  const told = await cluster.ask<Record<string, unknown>>(
    ...["ca", "rotate", second ?? ""],
  );
  assertEquals([told["event"], told["onlyServers"]], ["finished", true]);
  assertEquals(await cluster.ask("ca", "show"), before);
  await old.stop();
  await cluster.ask("node", "renew", "--all");
  await worker.waitFor("renewed");
  // What it was given is what it begins with
  await cluster.manager.stop();
  await cluster.runManager();
  await worker.waitFor("connected");
  await cluster.ask("node", "renew", "--all");
  await worker.waitFor("renewed");
});
