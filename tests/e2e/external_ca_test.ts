import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Cfssl, type CfsslConfig } from "../signer/cfssl.ts";
import { CONFIG, withProfile } from "../signer/rig.ts";
import { corporateRoot, importedCa } from "../signer/roots.ts";
import { freePort, RawServer } from "../signer/servers.ts";
import type { Holder } from "../pki/material.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cluster } from "./cluster.ts";
import { eventually, swarmd } from "./harness.ts";

/** Leaves of 10 minutes: a renewal is granted after a second. */
const LIFE = "10m";
const SHORT = withProfile({ expiry: "70m" });
const AUTH_KEY = CONFIG.auth_keys.swarmd.key;

/** A cfssl server with a folder of its own; another one takes its place. */
class Authority implements AsyncDisposable {
  readonly ca: Holder;
  readonly port = freePort();
  readonly folder: OpensslFolder;
  readonly config: CfsslConfig;
  #cfssl: Cfssl | undefined;

  constructor(folder: OpensslFolder, ca: Holder, config: CfsslConfig) {
    this.folder = folder;
    this.ca = ca;
    this.config = config;
  }

  static async start(ca: Holder, config = SHORT): Promise<Authority> {
    const authority = new Authority(await OpensslFolder.create(), ca, config);
    await authority.folder.write("auth.key", AUTH_KEY);
    await authority.start();
    return authority;
  }

  get option(): string {
    return `--external-ca=protocol=cfssl,url=http://127.0.0.1:${this.port},profile=swarmd,auth-key=${this.folder.path}/auth.key`;
  }

  async start(): Promise<void> {
    const { folder, ca, port, config } = this;
    this.#cfssl = await Cfssl.start(folder, ca, { config, port });
  }

  async stop(): Promise<void> {
    await this.#cfssl?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function verify(cluster: Cluster, { folder }: Authority): Promise<void> {
  for (const name of ["manager", "w"]) {
    const leaf = `${cluster.dir(name)}/certificates/swarm-node.crt`;
    await folder.run(`verify -x509_strict -CAfile ca.pem ${leaf}`);
  }
}

async function crlStatus(cluster: Cluster): Promise<string> {
  const root = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  const { stdout } = await new Deno.Command("curl", {
    args: [
      ...["-sS", "--noproxy", "*", "--max-time", "20", "--cacert", root],
      ...["-o", "/dev/null", "-w", "%{http_code}"],
      `https://${cluster.listen}/v1/ca/crl`,
    ],
  }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("a cluster of an external authority outlives it: the next one takes over, and renewals come back with it", async () => {
  const ca = await corporateRoot();
  await using first = await Authority.start(ca);
  await using second = await Authority.start(ca);
  await using cluster = await Cluster.start({
    life: LIFE,
    init: [first.option, second.option],
  });
  const worker = await cluster.connectedWorker("w");
  await verify(cluster, first);
  assertEquals(await crlStatus(cluster), "501");

  await first.stop();
  await cluster.ask("node", "renew", "--all");
  await worker.waitFor("renewed");
  const { alarms } = await cluster.ask<{ alarms: string[] }>("status");
  assert(alarms.some((each) => each.includes(`:${first.port}`)), `${alarms}`);

  await second.stop();
  await cluster.ask("node", "renew", "--all");
  await eventually("the worker to say why", async () => {
    const dir = `--state-dir=${cluster.dir("w")}`;
    const { stdout } = await swarmd(["status", "--json", dir]);
    return stdout.includes("the authority does not sign now") || undefined;
  });
  await first.start();
  await worker.waitFor("renewed");
  await verify(cluster, first);
  const told = worker.events.map(({ event }) => event);
  assertFalse(told.includes("disconnected"));

  await first.stop();
  await cluster.manager.stop();
  const manager = await cluster.runManager();
  await worker.waitFor("connected");
  await assertNoSecret(cluster);
  assertEquals((await manager.stop()).code, 0);
});

Deno.test("a manager whose certificate is gone waits for its external authority, and does not exit", async () => {
  const ca = await corporateRoot();
  await using authority = await Authority.start(ca);
  await using cluster = await Cluster.start({
    life: LIFE,
    init: [authority.option],
  });
  await cluster.manager.stop();
  await authority.stop();
  for (const name of ["certificates", "identities"]) {
    await Deno.remove(`${cluster.dir()}/${name}`, { recursive: true });
  }
  const manager = cluster.start([
    ...["manager", "run", "--json", "--log-format=json"],
    `--state-dir=${cluster.dir()}`,
  ]);
  await manager.waitForLog(({ message }) =>
    message === "No certificate to serve with yet"
  );
  await authority.start();
  await manager.waitFor("ready");
  assertEquals((await manager.stop()).code, 0);
});

Deno.test("manager init refuses an external authority that does not sign what it should, and touches nothing", async () => {
  const ca = await corporateRoot();
  await using authority = await Authority.start(ca);
  await using hanging = RawServer.hanging();
  const { folder, option } = authority;
  const other = await corporateRoot();
  await folder.writeCertificates("other.pem", [other.certificate.der]);
  await folder.write("wrong.key", "00".repeat(32));
  const cases: [string[], number, string][] = [
    [[option.replace("profile=swarmd", "profile=none")], 17, "something else"],
    [[option.replace("auth.key", "wrong.key")], 17, '"invalid token"'],
    [[option, `--ca-cert=${folder.path}/other.pem`], 17, "something else"],
    [[option, "--cert-expiry=90d"], 17, "end: found"],
    [
      [option.replace(`:${authority.port}`, `:${freePort()}`)],
      10,
      "connection refused",
    ],
    [
      [option, option.replace(`:${authority.port}`, `:${hanging.port}`)],
      20,
      "no answer in 7000 ms",
    ],
  ];
  const runs = cases.map(async ([args, code, says], i) => {
    const dir = `${folder.path}/state${i}`;
    const ended = await swarmd([
      ...["manager", "init", "--drill", `--state-dir=${dir}`],
      ...["--listen-addr=127.0.0.1:0", "--cert-expiry=10m"].filter((each) =>
        !args.some((arg) => arg.startsWith(each.split("=")[0] ?? ""))
      ),
      ...args,
    ]);
    assertStringIncludes(ended.stderr, says, `${args}`);
    const hints = ended.stderr.includes("docs/external-ca.md");
    assertEquals(hints, code === 17, ended.stderr);
    assertEquals([ended.code, ended.stdout], [code, ""], ended.stderr);
    const found = Deno.stat(dir);
    await assertRejects(() => found, Deno.errors.NotFound);
  });
  await Promise.all(runs);
});

interface Shown {
  readonly rootDigest: string;
  readonly pem: string;
}

async function rotate(cluster: Cluster, ...args: string[]) {
  const dir = `--state-dir=${cluster.dir()}`;
  const { code, stdout, stderr } = await swarmd(
    ["ca", "rotate", "--json", dir, ...args],
    { timeoutMs: 60_000 },
  );
  return { code, stdout, stderr };
}

Deno.test("ca rotate leads from an own root to an external authority, and back by trust first", async () => {
  const { anchor, key } = await importedCa("ec:P-384");
  await using authority = await Authority.start({ certificate: anchor, key });
  await using cluster = await Cluster.start({ life: LIFE });
  const worker = await cluster.connectedWorker("w");
  const other = await cluster.connectedWorker("other");

  const needless = await rotate(cluster, authority.option, "--trust-first");
  assertEquals(needless.code, 17, needless.stderr);
  const there = await rotate(cluster, authority.option);
  assertEquals(there.code, 0, there.stdout + there.stderr);
  await worker.waitFor("root-changed");
  await other.waitFor("root-changed");
  const external = await cluster.ask<Shown>("ca", "show");
  await authority.folder.write("shown.pem", external.pem);
  await authority.folder.run("verify -partial_chain -CAfile shown.pem ca.pem");
  assertEquals(await crlStatus(cluster), "501");
  await cluster.connectedWorker("late");

  const refused = await rotate(cluster);
  assertEquals(refused.code, 17, refused.stderr);
  assertStringIncludes(refused.stderr, "--trust-first");

  const token = await cluster.ask<{ token: string }>("token", "show", "worker");
  // Nothing of what follows needs it
  await authority.stop();
  const rehearsed = await rotate(cluster, "--trust-first", "--dry-run");
  assertEquals(rehearsed.code, 0, rehearsed.stdout + rehearsed.stderr);
  assertEquals(JSON.parse(rehearsed.stdout).ready, 3);
  const back = await rotate(cluster, "--trust-first");
  assertEquals(back.code, 0, back.stdout + back.stderr);
  for (const each of [worker, other]) await each.waitFor("root-changed");
  assertEquals(await crlStatus(cluster), "200");
  const next = await cluster.ask<{ token: string }>("token", "show", "worker");
  assert(next.token !== token.token);
  await cluster.connectedWorker("later", { token: next.token });
  for (const each of [worker, other]) {
    const told = each.events.map(({ event }) => event);
    assertFalse(told.includes("disconnected"), `${told}`);
  }
});

Deno.test("ca rotate leads to an external authority of the documented configuration, in certificates of 90 days", async () => {
  await using authority = await Authority.start(await corporateRoot(), CONFIG);
  await using cluster = await Cluster.start({ init: ["--cert-expiry=90d"] });
  const worker = await cluster.connectedWorker("w");
  const rehearsed = await rotate(cluster, authority.option, "--dry-run");
  assertEquals(rehearsed.code, 0, rehearsed.stdout + rehearsed.stderr);
  const there = await rotate(cluster, authority.option);
  assertEquals(there.code, 0, there.stdout + there.stderr);
  await worker.waitFor("root-changed");
  await verify(cluster, authority);
});

/** Neither in what is stored nor in what was said. */
async function assertNoSecret(cluster: Cluster): Promise<void> {
  const files = await eventually("the store", () => read(cluster.dir()));
  assert(files.length > 1000);
  assertFalse(files.includes(AUTH_KEY));
  assertFalse(cluster.manager.stderr.includes(AUTH_KEY));
}

async function read(dir: string): Promise<string | undefined> {
  const texts: string[] = [];
  for await (const { name, isFile } of Deno.readDir(dir)) {
    if (!isFile) continue;
    const bytes = await Deno.readFile(`${dir}/${name}`);
    texts.push(new TextDecoder("latin1").decode(bytes));
  }
  return texts.join("");
}
