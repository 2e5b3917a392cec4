import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "@std/assert";
import { localClient } from "../../../lib/cli/client.ts";
import type { NodeRow } from "../cluster.ts";
import { type StartOptions, Swarmd, type SwarmdEvent } from "../harness.ts";
import { openssl } from "./identity_check.ts";

/** Starts `manager run`, or another command of a manager. */
export function startManager(
  stateDir: string,
  { command = "run", args = [], ...options }: StartOptions & {
    readonly command?: "run" | "init";
    readonly args?: readonly string[];
  } = {},
): Swarmd {
  const flags = ["--json", "--log-format=json", `--state-dir=${stateDir}`];
  return new Swarmd(["manager", command, ...flags, ...args], options);
}

/** What it tells when it serves; nothing when it ends without. */
export async function readyOrEnd(
  manager: Swarmd,
): Promise<SwarmdEvent | undefined> {
  const ready = manager.waitFor("ready");
  // Whether it has ended is what is looked at.
  await Promise.race([ready, manager.waitForEnd()]).catch(() => {});
  return manager.events.find(({ event }) => event === "ready");
}

/** Asserts that others can verify what a manager serves with. */
export async function assertServes(
  stateDir: string,
  { listen }: SwarmdEvent,
): Promise<void> {
  const root = `${stateDir}/certificates/swarm-root-ca.crt`;
  const name = "swarm-manager";
  await openssl(
    ...["s_client", "-connect", String(listen), "-CAfile", root],
    ...["-servername", name, "-verify_hostname", name],
    ...["-verify_return_error", "-alpn", "swarmd/1"],
  );
}

/** What `node ls --json` writes of the workers, without a process for it. */
export async function workersOf(stateDir: string): Promise<NodeRow[]> {
  const nodes = await nodesOf(stateDir);
  return nodes.filter(({ role }) => role === "worker");
}

/** Asserts that its own row shows the certificate that is on its disk. */
export async function assertOwnRow(
  stateDir: string,
  serial: string | undefined,
): Promise<void> {
  const nodes = await nodesOf(stateDir);
  const [own, ...others] = nodes.filter(({ role }) => role === "manager");
  assertEquals(own?.certificate["serial"], serial);
  assertEquals(others, []);
}

/** Lets the next start of a manager begin with a renewal of its own. */
export function makeManagerDue(stateDir: string): void {
  using store = new DatabaseSync(`${stateDir}/swarmd.db`);
  const rows = store.prepare("SELECT id, value FROM node").all();
  const put = store.prepare("UPDATE node SET value = ? WHERE id = ?");
  for (const { id, value } of rows) {
    const node = JSON.parse(String(value));
    if (node.role !== "manager") continue;
    // As if the certificate had been made for a long life, now nearly over.
    node.certificates.current.issuedAt -= 1e10;
    put.run(JSON.stringify(node), id ?? "");
  }
}

/** Copies a folder, with all modes and links. */
export async function copyFolder(from: string, to: string): Promise<void> {
  const copy = new Deno.Command("cp", { args: ["-a", from, to] });
  const { success, stderr } = await copy.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

function nodesOf(stateDir: string): Promise<NodeRow[]> {
  const host = { env: () => undefined, uid: () => Deno.uid() };
  return localClient(stateDir, host).get("/v1/nodes");
}
