import {
  configureSync,
  getLogger,
  type LogLevel as LogTapeLevel,
  type LogRecord,
} from "@logtape/logtape";
import { describeError } from "../base/errors.ts";
import type { LogFields, Logger } from "../base/logger.ts";
import type { LogLevel, LogSettings } from "./log_settings.ts";
import { printable } from "./printable.ts";
import { redact } from "./redact.ts";

/** What {@linkcode createLogger} needs. */
export interface LogOptions extends LogSettings {
  /** Wall clock, in milliseconds. */
  readonly now: () => number;
  /** Takes one line with its end; false when it had to drop it. Never throws. */
  readonly post: (line: string) => boolean;
}

const TO_LOGTAPE: Readonly<Record<LogLevel, LogTapeLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};
const FROM_LOGTAPE: Readonly<Record<LogTapeLevel, LogLevel>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "error",
};

/**
 * The log of this process. There is one: LogTape keeps its configuration for
 * the whole process, and a second call takes it over.
 *
 * Loading LogTape costs 21 ms and 5.5 MB where the program runs from source,
 * 4 ms and 0.8 MB from the bundle; so only commands that log import this file.
 */
export function createLogger(options: LogOptions): Logger {
  configureSync({
    reset: true,
    sinks: { lines: lineSink(options) },
    loggers: [
      {
        category: "swarmd",
        sinks: ["lines"],
        lowestLevel: TO_LOGTAPE[options.level],
      },
      {
        category: ["logtape", "meta"],
        sinks: ["lines"],
        lowestLevel: "warning",
      },
    ],
  });
  const log = (level: LogLevel) => (message: string, fields: LogFields = {}) =>
    // Not the method of the level: that takes braces in the text as a template.
    getLogger("swarmd").emit({
      level: TO_LOGTAPE[level],
      message: [message],
      rawMessage: message,
      timestamp: options.now(),
      properties: fields,
    });
  return {
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
  };
}

/** Formats, redacts and hands on; says with the next line what was dropped. */
function lineSink(options: LogOptions): (record: LogRecord) => void {
  const format = options.format === "json" ? jsonLine : textLine;
  let dropped = 0;
  return (record) => {
    const fields = dropped > 0
      ? { ...record.properties, dropped }
      : record.properties;
    const line = format({
      at: new Date(record.timestamp).toISOString(),
      level: FROM_LOGTAPE[record.level],
      message: record.message.map(String).join(""),
      fields,
    });
    if (options.post(`${redact(line)}\n`)) dropped = 0;
    else dropped++;
  };
}

interface Entry {
  readonly at: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** `at`, `level` and `message` come first and cannot be replaced by fields. */
function jsonLine({ at, level, message, fields }: Entry): string {
  const own = { at, level, message };
  const plain = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, plainValue(value)]);
  return JSON.stringify({ ...own, ...Object.fromEntries(plain), ...own });
}

function textLine({ at, level, message, fields }: Entry): string {
  const words = [at, level.padEnd(5), printable(message)];
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) words.push(`${printable(name)}=${word(value)}`);
  }
  return words.join(" ");
}

/** A value as one word: quoted where it would not be one. */
function word(value: unknown): string {
  const plain = plainValue(value);
  const text = typeof plain === "string" ? plain : JSON.stringify(plain);
  return /^[^\s"=]+$/.test(text) && typeof plain !== "object"
    ? printable(text)
    : printable(typeof plain === "string" ? JSON.stringify(text) : text);
}

/** What JSON can say of a value. A log call must not fail over its fields. */
function plainValue(value: unknown): unknown {
  if (value instanceof Error) return describeError(value);
  if (typeof value === "bigint") return String(value);
  try {
    return JSON.parse(JSON.stringify(value, replaceValue) ?? "null");
  } catch {
    // A cycle, or a `toJSON` that throws.
    return String(value);
  }
}

function replaceValue(_name: string, value: unknown): unknown {
  if (value instanceof Error) return describeError(value);
  return typeof value === "bigint" ? String(value) : value;
}
