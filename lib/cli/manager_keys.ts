import { describeError, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { CLUSTER_KEY_VERSION } from "../cluster/cluster.ts";
import {
  createSecretFile,
  readSecretFile,
  replaceSecretFile,
} from "../disk/secret_file.ts";
import { ClusterKeys, type SealedThings } from "../manager/cluster_keys.ts";
import { LockedApi } from "../manager/locked_api.ts";
import { systemCrypto, systemRandom } from "../net/system.ts";
import {
  type ClusterKeyFile,
  formatClusterKeys,
  openClusterKeys,
  parseClusterKeyFile,
} from "../pki/cluster_key_file.ts";
import { makeUnlockKey, parseUnlockKey } from "../pki/unlock_key.ts";
import type { Daemon } from "./daemon.ts";
import type { OperatorDesk } from "./operator_desk.ts";
import type { DaemonOptions } from "./options.ts";
import { unlockKeyAtHand } from "./unlock_source.ts";
import { VERSION } from "./version.ts";

const KEY_BYTES = 32;

/** Who unlocked a manager: a person, or what it found when it started. */
export type UnlockedBy = "operator" | "credential";

/** An unlock key that was not the one. */
export interface RefusedKey {
  readonly by: UnlockedBy;
  /** Wall clock, in milliseconds. */
  readonly at: number;
  readonly why: string;
}

/** Refused keys that are told: the newest. */
const MAX_REFUSALS = 16;

/** The cluster's keys, open. */
export interface OpenedKeys {
  readonly keys: ClusterKeys;
  /** Absent when they were not locked. */
  readonly unlockedBy?: UnlockedBy;
  /** What was tried before in vain, oldest first. */
  readonly refusals?: readonly RefusedKey[];
}

/**
 * Makes the first cluster key of a state directory.
 *
 * @throws {SwarmdError} `disk`, also when there is one
 */
export async function makeKeys(
  stateDir: string,
  { autolock }: { readonly autolock: boolean },
): Promise<ClusterKeys> {
  const version = CLUSTER_KEY_VERSION;
  const ring = new Map([[version, systemRandom.bytes(KEY_BYTES)]]);
  const unlockKey = autolock ? makeUnlockKey(systemRandom, version) : undefined;
  const text = await formatClusterKeys(systemCrypto, ring, unlockKey);
  await createSecretFile(pathIn(stateDir), text);
  return clusterKeys(stateDir, { ring, ...(unlockKey && { unlockKey }) });
}

/**
 * Opens the cluster's keys. While they are locked, waits for the unlock key and
 * answers nothing else.
 *
 * @returns `undefined` when there is no file, or when told to end while locked
 * @throws {SwarmdError} `damaged-state`, `disk`
 */
export async function openKeys(
  daemon: Daemon,
  { stateDir, host, desk }:
    & Pick<DaemonOptions, "stateDir" | "host">
    & { readonly desk: OperatorDesk },
): Promise<OpenedKeys | undefined> {
  const text = await readSecretFile(pathIn(stateDir));
  if (text === undefined) return undefined;
  const file = parseFile(text, stateDir);
  const lock = new Lock(file, stateDir);
  if (!file.locked) {
    const ring = await openClusterKeys(systemCrypto, file);
    return { keys: clusterKeys(stateDir, { ring }) };
  }
  try {
    const found = await unlockKeyAtHand(host.env);
    if (found !== undefined) {
      return { keys: await lock.open(found), unlockedBy: "credential" };
    }
  } catch (error) {
    // A person may know better.
    const text = describeError(error);
    lock.refused({ by: "credential", at: host.now(), why: text });
    daemon.logger.error("Cannot unlock by itself", { error: text });
  }
  return await askOperator(daemon, { file, lock, desk, now: host.now });
}

/**
 * Finishes what a crash may have left of a change of keys. The cluster is served
 * in any case: the older key stays until then, and status says so.
 */
export async function finishSealing(
  keys: ClusterKeys,
  things: SealedThings,
  logger: Logger,
): Promise<void> {
  await keys.finish(things).catch(() => {}); // see `unfinished`
  const { unfinished: why } = keys;
  if (why === undefined) return;
  logger.error("Secrets not sealed anew; the older key stays", { why });
}

async function askOperator(
  daemon: Daemon,
  { file: { version: keyVersion }, lock, desk, now }: {
    readonly file: ClusterKeyFile;
    readonly lock: Lock;
    readonly desk: OperatorDesk;
    readonly now: () => number;
  },
): Promise<OpenedKeys | undefined> {
  const { promise, resolve } = Promise.withResolvers<OpenedKeys | undefined>();
  const api = new LockedApi({
    status: {
      role: "manager",
      state: "locked",
      since: new Date(now()).toISOString(),
      version: VERSION,
      keyVersion,
    },
    unlock: async (given) => {
      const keys = await lock.open(given).catch((error) => {
        const text = describeError(error);
        lock.refused({ by: "operator", at: now(), why: text });
        daemon.logger.warn("Unlock refused", { error: text });
        throw error;
      });
      const { refusals } = lock;
      resolve({ keys, unlockedBy: "operator", refusals });
    },
  });
  await desk.serve((request) => api.answer(request), {
    handOver: (answer) => api.handOver(answer),
  });
  daemon.logger.warn("Locked: waiting for `swarmd unlock`", { keyVersion });
  daemon.event({ event: "locked", keyVersion });
  const stop = () => resolve(undefined);
  daemon.signal.addEventListener("abort", stop, { once: true });
  if (daemon.signal.aborted) stop();
  try {
    return await promise;
  } finally {
    daemon.signal.removeEventListener("abort", stop);
  }
}

/** A locked file, and whatever key is tried on it. */
class Lock {
  readonly #file: ClusterKeyFile;
  readonly #stateDir: string;
  #refusals: readonly RefusedKey[] = [];

  constructor(file: ClusterKeyFile, stateDir: string) {
    this.#file = file;
    this.#stateDir = stateDir;
  }

  /** The last ones, oldest first. */
  get refusals(): readonly RefusedKey[] {
    return this.#refusals;
  }

  /** The log is locked, too: it is told once somebody has the key. */
  refused(refusal: RefusedKey): void {
    this.#refusals = [...this.#refusals, refusal].slice(-MAX_REFUSALS);
  }

  /** @throws {SwarmdError} `unlock-refused` */
  async open(given: string): Promise<ClusterKeys> {
    const unlockKey = await parseUnlockKey(systemCrypto, given);
    const ring = await openClusterKeys(systemCrypto, this.#file, unlockKey);
    return clusterKeys(this.#stateDir, { ring, unlockKey });
  }
}

function clusterKeys(
  stateDir: string,
  opened: ConstructorParameters<typeof ClusterKeys>[1],
): ClusterKeys {
  const file = {
    save: (text: string) => replaceSecretFile(pathIn(stateDir), text),
  };
  const parts = { crypto: systemCrypto, random: systemRandom, file };
  return new ClusterKeys(parts, opened);
}

function parseFile(text: string, stateDir: string): ClusterKeyFile {
  try {
    return parseClusterKeyFile(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SwarmdError(
      "damaged-state",
      `Cannot read "${
        pathIn(stateDir)
      }": found no keys of the form VERSION:BASE64`,
      { verdict: "stop", hint: "Restore the file from a backup" },
    );
  }
}

function pathIn(stateDir: string): string {
  return `${stateDir}/cluster.key`;
}
