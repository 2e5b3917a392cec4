import { parseArgs } from "@std/cli";
import { openIdentityFiles } from "../../lib/disk/identity_files.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import { tlsDialer } from "../../lib/net/tls_client.ts";
import type { IdentityStore } from "../../lib/pki/identity_store.ts";
import { inFlight, serveParent } from "./child.ts";
import { JumpClock } from "./jump_clock.ts";
import { Member } from "./member.ts";
import { MemoryIdentity } from "./memory_identity.ts";

/**
 * Many workers in one process. `--folder` holds those of their identities that
 * are to be on the disk, `--index` tells this process from the others.
 */
const { folder, index } = parseArgs(Deno.args, { string: ["folder", "index"] });
const clock = new JumpClock();
const stop = new AbortController();

makeTrustStorePrivate();
const dialer = tlsDialer({ clock });
const members: Member[] = [];
/** What `when` waits for, looked at after each change. */
let changed = () => {};

async function identityOf(name: string): Promise<IdentityStore> {
  if (folder === undefined) return new MemoryIdentity();
  const path = `${folder}/${name}`;
  await Deno.mkdir(path, { recursive: true });
  return await openIdentityFiles(path);
}

async function newMember(i: number): Promise<Member> {
  const name = `bench-${index}-${i}`;
  const identity = await identityOf(name);
  const { signal } = stop;
  const parts = { name, identity, clock, dialer, signal };
  return new Member({ ...parts, changed: () => changed() });
}

/** Waits for something to be true of so many members. */
async function when(
  count: number,
  isTrue: (member: Member) => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  changed = () => {
    if (members.filter(isTrue).length >= count) resolve();
  };
  changed();
  await promise;
  changed = () => {};
}

await serveParent({}, {
  join: async ({ count, width, token, port }) => {
    const manager = { host: "127.0.0.1", port: Number(port) };
    const began = performance.now();
    await inFlight(
      { count: Number(count), width: Number(width) },
      async (i) => {
        const member = await newMember(i);
        members.push(member);
        await member.join(String(token), manager);
      },
    );
    return { wallMs: performance.now() - began };
  },
  run: async ({ count, width }) => {
    const plan = { count: Number(count), width: Number(width) };
    await inFlight(plan, (i) => members[i]?.connect() ?? Promise.resolve());
  },
  connected: ({ count }) => when(Number(count), ({ connected }) => connected),
  lost: () => when(members.length, ({ connected }) => !connected),
  failed: ({ times }) =>
    when(members.length, ({ failures }) => failures >= Number(times)),
  jump: ({ byMs }) => clock.jump(Number(byMs)),
  nodes: () => ({ ids: members.map(({ nodeId }) => nodeId) }),
  /** How often sessions were interrupted so far. */
  interruptions: () => ({
    times: members.reduce((sum, each) => sum + each.interruptions, 0),
  }),
  recoveries: () => ({
    times: members.reduce((sum, each) => sum + each.recoveries, 0),
  }),
  /** When the connection of a node ended, on the clock of all processes. */
  closed: async ({ node }) => {
    const member = members.find(({ nodeId }) => nodeId === node);
    if (!member) throw new RangeError(`There is no node ${node}`);
    await when(1, (each) => each === member && !Number.isNaN(each.closedAt));
    return { at: member.closedAt };
  },
});
stop.abort();
