import { LOG_FORMATS, LOG_LEVELS } from "../observe/log_settings.ts";
import { flag, option } from "./command.ts";
import { choice, text } from "./values.ts";

const STATE_DIR = option(
  text("DIR"),
  "State directory",
  {
    defaultText:
      "SWARMD_STATE_DIR, else /var/lib/swarmd for root, else $XDG_STATE_HOME/swarmd",
  },
);
/** How the log is. */
export const LOGGING = {
  "log-level": option(
    choice("LEVEL", LOG_LEVELS),
    "How much is logged to standard error",
    { defaultText: "info" },
  ),
  "log-format": option(
    choice("FORMAT", LOG_FORMATS),
    "What a line of the log looks like",
    { defaultText: "text" },
  ),
};
/** Of every command that goes on running. */
export const DAEMON = {
  "state-dir": STATE_DIR,
  json: flag("Write events as JSON to standard output, one object a line"),
  ...LOGGING,
};
/** Of every command that shows something. */
export const OPERATOR = {
  "state-dir": STATE_DIR,
  json: flag("Write one JSON value to standard output"),
  ...LOGGING,
};

/** How commands that are about one node can end, beside ok, internal and usage. */
export const NODE_EXITS = [
  "not-initialised",
  "unreachable",
  "refused",
  "not-found",
] as const;
