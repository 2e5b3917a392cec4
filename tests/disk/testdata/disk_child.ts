/**
 * What the tests of lib/disk run in a process of its own, to kill it:
 * `disk_child.ts <state directory> <action> [argument]`. Writes one line of
 * JSON to stdout when something is done.
 */
import { SwarmdError } from "../../../lib/base/errors.ts";
import { openIdentityFiles } from "../../../lib/disk/identity_files.ts";
import { lockStateDirectory } from "../../../lib/disk/lock.ts";
import { createSecretFile } from "../../../lib/disk/secret_file.ts";
import { SeededRandom } from "../../fakes/random.ts";
import { taggedPems } from "./pems.ts";

const [stateDir = "", action = "", argument = ""] = Deno.args;

const ACTIONS: Readonly<Record<string, () => Promise<void>>> = {
  open: async () => {
    await openIdentityFiles(stateDir);
  },
  save: async () => {
    const files = await openIdentityFiles(stateDir);
    await files.save(taggedPems("new"));
  },
  /** Another root beside the same certificate and key. */
  saveRoots: async () => {
    const files = await openIdentityFiles(stateDir);
    await files.save(taggedPems("new"));
    const { rootsPem } = taggedPems("new", 100);
    await files.save({ ...taggedPems("new"), rootsPem });
    await files.confirm();
  },
  confirm: async () => {
    const files = await openIdentityFiles(stateDir);
    await files.confirm();
  },
  rollBack: async () => {
    const files = await openIdentityFiles(stateDir);
    await files.rollBack();
  },
  saveState: async () => {
    const files = await openIdentityFiles(stateDir);
    await files.saveState({ tag: "new" });
  },
  createSecret: () => createSecretFile(`${stateDir}/cluster.key`, "new"),
  saveLarge: async () => {
    const files = await openIdentityFiles(stateDir);
    await files.save(taggedPems("new", 100_000));
  },
  lock: async () => {
    await lockStateDirectory(stateDir, "worker run");
    say("locked");
    await new Promise<never>(() => setInterval(() => {}, 60_000));
  },
  loop,
};

/** Saves, confirms and rolls back until killed, and says what is durable. */
async function loop(): Promise<void> {
  const random = new SeededRandom(Number(argument));
  await using _lock = await lockStateDirectory(stateDir);
  const files = await openIdentityFiles(stateDir);
  let tag = Number((await files.loadState() as { tag: number }).tag);
  for (;;) {
    tag++;
    // The state tells the highest tag ever used, so that none comes back.
    await files.saveState({ tag });
    await files.save(taggedPems(`${tag}`, random.integer(20_000)));
    say(`saved ${tag}`);
    if (random.integer(4) === 0) {
      if (await files.rollBack()) say("rolled back");
    } else if (random.integer(2) === 0) {
      await files.confirm();
      say("confirmed");
    }
  }
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Predictable names of temporary files, so that strace can be told one. */
function countUuids(): void {
  let count = 0;
  const next = () => {
    const digits = (++count).toString(16).padStart(8, "0");
    return `${digits}-0000-4000-8000-000000000000` as const;
  };
  Object.defineProperty(crypto, "randomUUID", { value: next });
}

if (import.meta.main) {
  if (Deno.env.get("COUNT_UUIDS")) countUuids();
  try {
    await ACTIONS[action]?.();
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    say(`${error.code}: ${error.message}`);
    Deno.exit(1);
  }
}
