/** Values of `--log-level`, from the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** Values of `--log-format`. */
export const LOG_FORMATS = ["text", "json"] as const;

/** How much is logged. */
export type LogLevel = typeof LOG_LEVELS[number];
/** What a line of the log looks like. */
export type LogFormat = typeof LOG_FORMATS[number];

/** What the operator wants of the log. */
export interface LogSettings {
  readonly format: LogFormat;
  readonly level: LogLevel;
}
