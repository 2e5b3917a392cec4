import { SwarmdError } from "../base/errors.ts";
import { formatDuration } from "../base/time.ts";
import {
  DEFAULT_LEAF_LIFE_MS,
  MIN_DRILL_LEAF_LIFE_MS,
  MIN_LEAF_LIFE_MS,
} from "../cluster/cluster.ts";
import {
  defaultStateDirectory,
  type Environment,
} from "../disk/state_directory.ts";
import {
  LOG_FORMATS,
  LOG_LEVELS,
  type LogFormat,
  type LogLevel,
  type LogSettings,
} from "../observe/log_settings.ts";
import type { Endpoint } from "../rpc/connection.ts";
import type { AuthorityWish } from "./authority_options.ts";
import type { Host } from "./command.ts";
import type { SelfCommand } from "./self_command.ts";
import { type AdvertisedAddress, choice, readValue } from "./values.ts";

/** What every command that goes on running needs. */
export interface DaemonOptions {
  /** May be missing on the disk still. */
  readonly stateDir: string;
  /** Whether events are JSON. */
  readonly json: boolean;
  readonly log: LogSettings;
  /** What the node's key is bound to, in place of what the machine says. */
  readonly machineId?: string;
  readonly host: Host;
}

/** What `manager init` and `manager run` were asked. */
export interface ManagerOptions extends DaemonOptions {
  /** Absent: serve the cluster that is there. */
  readonly init?: ManagerInit;
}

/** The cluster that `manager init` is to make. */
export interface ManagerInit {
  /** Port 0: any that is free. */
  readonly listen: Endpoint;
  /** Empty: find out. */
  readonly advertise: readonly AdvertisedAddress[];
  /** Life of certificates, in milliseconds; within the cluster's bounds. */
  readonly leafLifeMs: number;
  readonly drill: boolean;
  /** Whether each start is to need the unlock key. */
  readonly autolock?: boolean;
  /** Who is to sign. Absent: a new root. */
  readonly authority?: AuthorityWish;
}

/** What `worker join` and `worker run` were asked. */
export interface WorkerOptions extends DaemonOptions {
  /** Absent: resume the identity that is there. */
  readonly join?: WorkerJoin;
}

/** How a worker gets in. */
export interface WorkerJoin {
  /** As given, not parsed. A secret. */
  readonly token: string;
  /** At least one. */
  readonly managers: readonly Endpoint[];
}

/** What `drill` was asked. */
export interface DrillOptions {
  readonly workers: number;
  readonly durationMs: number;
  /** Absent: no faults. */
  readonly faultSeed?: number;
  readonly json: boolean;
  readonly log: LogSettings;
  readonly host: Host;
  /** How to start managers and workers. */
  readonly self: SelfCommand;
}

/** What a command that asks the local node needs. */
export interface OperatorOptions {
  readonly stateDir: string;
  readonly json: boolean;
  readonly host: Host;
}

/** Options that several commands share, as the table gives them. */
export interface SharedGiven {
  readonly "state-dir": string | undefined;
  readonly "log-level": LogLevel | undefined;
  readonly "log-format": LogFormat | undefined;
  readonly json: boolean;
}

/** The state directory: the one given, else the default. */
function stateDirOf(
  given: Pick<SharedGiven, "state-dir">,
  host: Host,
): string {
  return given["state-dir"] ?? defaultStateDirectory(host.env, host.uid());
}

/**
 * What is wanted of the log: as given, else as the environment says.
 *
 * @throws {SwarmdError} `usage` when the environment says nonsense
 */
export function logSettings(
  given: Pick<SharedGiven, "log-level" | "log-format">,
  env: Environment,
): LogSettings {
  const level = env("SWARMD_LOG_LEVEL");
  const format = env("SWARMD_LOG_FORMAT");
  return {
    level: given["log-level"] ??
      (level === undefined ? "info" : readValue(choice("LEVEL", LOG_LEVELS), {
        name: "SWARMD_LOG_LEVEL",
        given: level,
      })),
    format: given["log-format"] ??
      (format === undefined
        ? "text"
        : readValue(choice("FORMAT", LOG_FORMATS), {
          name: "SWARMD_LOG_FORMAT",
          given: format,
        })),
  };
}

/** What every daemon needs, of what was given. */
export function daemonOptions(given: SharedGiven, host: Host): DaemonOptions {
  const machineId = host.env("SWARMD_MACHINE_ID");
  return {
    stateDir: stateDirOf(given, host),
    json: given.json,
    log: logSettings(given, host.env),
    ...(machineId === undefined ? {} : { machineId }),
    host,
  };
}

/** What every operator's command needs, of what was given. */
export function operatorOptions(
  given: Pick<SharedGiven, "state-dir" | "json">,
  host: Host,
): OperatorOptions {
  return { stateDir: stateDirOf(given, host), json: given.json, host };
}

/**
 * The life of certificates in the cluster to be made.
 *
 * @throws {SwarmdError} `usage` when it is too short
 */
export function leafLife(
  given: { readonly expiryMs: number | undefined; readonly drill: boolean },
): number {
  const life = given.expiryMs ?? DEFAULT_LEAF_LIFE_MS;
  const least = given.drill ? MIN_DRILL_LEAF_LIFE_MS : MIN_LEAF_LIFE_MS;
  if (life >= least) return life;
  throw new SwarmdError(
    "usage",
    `Cannot issue certificates for ${formatDuration(life)}: want at least ${
      formatDuration(least)
    }`,
    {
      verdict: "stop",
      ...(given.drill ? {} : {
        hint: `A cluster made with --drill may go down to ${
          formatDuration(MIN_DRILL_LEAF_LIFE_MS)
        }`,
      }),
    },
  );
}
