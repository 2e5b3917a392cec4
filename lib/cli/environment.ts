import type { Environment } from "../disk/state_directory.ts";

/** Every environment variable that the program looks at, with its meaning. */
export const ENVIRONMENT = {
  SWARMD_STATE_DIR: "State directory; --state-dir goes before it",
  SWARMD_TOKEN: "Join token; --token and --token-file go before it",
  SWARMD_UNLOCK_KEY_FILE:
    "File whose first line is the unlock key, for `unlock` and for a locked manager that starts",
  CREDENTIALS_DIRECTORY:
    "Where systemd puts credentials; that of the name swarmd-unlock-key is the unlock key",
  SWARMD_LOG_LEVEL: "Log level; --log-level goes before it",
  SWARMD_LOG_FORMAT: "Log format; --log-format goes before it",
  SWARMD_MACHINE_ID:
    "What identifies this machine in place of /etc/machine-id, for containers and images; the node's key is bound to it",
  SWARMD_SELF:
    "Path of the program, which starts it anew for `drill`; set by the portable form",
  XDG_STATE_HOME: "Where state directories of ordinary users are",
  XDG_RUNTIME_DIR:
    "Where the socket is when the path of the state directory is too long for one",
  HOME: "Where state directories are without XDG_STATE_HOME",
} as const;

/** What the program leaves alone, although other programs obey it. */
export const IGNORED_ENVIRONMENT =
  "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY are ignored: nodes connect directly. Output is never coloured, with or without NO_COLOR.";

/**
 * The environment of this process. An empty variable counts as absent, and one
 * that is not in the table is not looked up: it would ask for a permission.
 */
export const processEnvironment: Environment = (name) =>
  Object.hasOwn(ENVIRONMENT, name)
    ? Deno.env.get(name) || undefined
    : undefined;
