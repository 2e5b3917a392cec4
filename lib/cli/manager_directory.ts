import { hasCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import { holdsAnything, holdsCluster } from "../disk/state_directory.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { type ManagerPlace, readManagerPlace } from "./manager_place.ts";

/** Before anything is touched: a half-deleted directory never becomes a new cluster (W30). */
export async function refuseUsed(stateDir: string): Promise<void> {
  const found = await holdsAnything(stateDir);
  if (found.length === 0) return;
  const isCluster = (await holdsCluster(stateDir)).length > 0;
  throw new SwarmdError(
    "already-initialised",
    `Cannot make a cluster in "${stateDir}": found ${found.join(", ")}`,
    {
      verdict: "stop",
      hint: `${
        usedFor(found, isCluster)
      }, or name an empty directory with --state-dir`,
    },
  );
}

/** What to do with what is there. */
function usedFor(found: readonly string[], isCluster: boolean): string {
  if (mayBeInit(found)) {
    return "If `swarmd manager init` was interrupted here, delete these and run it again; if a cluster was, serve it with `swarmd manager run`";
  }
  if (isCluster) return "Serve what is there with `swarmd manager run`";
  const hasJoined = found.includes("identities") ||
    found.includes("certificates");
  return hasJoined
    ? "It is a worker's: go on there with `swarmd worker run`"
    : "A join was begun here: go on with `swarmd worker join`, or delete these";
}

/** What `init` makes first, and not what comes only after the cluster. */
function mayBeInit(found: readonly string[]): boolean {
  return found.includes("cluster.key") && !found.includes("identities");
}

/** Before anything is made: the directory may be mistyped. */
export async function refuseUnused(stateDir: string): Promise<void> {
  const found = await holdsAnything(stateDir);
  if (found.length === 0) throw await noCluster(stateDir);
}

/** @throws {SwarmdError} `not-initialised`, saying what is missing, or `disk` */
export async function openManagerStore(
  stateDir: string,
  options: { readonly create: boolean; readonly logger: Logger },
): Promise<Store> {
  try {
    return await openSqliteStore(`${stateDir}/swarmd.db`, options);
  } catch (error) {
    if (hasCode(error, "not-initialised")) throw await noCluster(stateDir);
    throw error;
  }
}

/** Where the cluster of a store was served before. */
export async function resumedPlace(
  store: Store,
  stateDir: string,
): Promise<ManagerPlace> {
  const cluster = store.view((view) => view.get("cluster", CLUSTER));
  if (cluster) return await readManagerPlace(stateDir);
  throw await noCluster(stateDir);
}

/** The parts of a cluster are no cluster: an interrupted `init`, or a loss. */
export async function noCluster(stateDir: string): Promise<SwarmdError> {
  const found = await holdsAnything(stateDir);
  const text = `Cannot serve "${stateDir}": it holds no cluster`;
  if (found.length === 0) {
    return new SwarmdError("not-initialised", text, {
      verdict: "stop",
      hint:
        "Make a cluster with `swarmd manager init`, or name its directory with --state-dir",
    });
  }
  const restore = "restore what is missing from a backup";
  return new SwarmdError(
    "not-initialised",
    `${text}, only ${found.join(", ")}`,
    {
      verdict: "stop",
      hint: mayBeInit(found)
        ? `If \`swarmd manager init\` was interrupted here, delete these and run it again; if not, ${restore}`
        : `Name another directory with --state-dir, or ${restore}`,
    },
  );
}
