import { diskError } from "../disk/disk_error.ts";
import type { LineWriter } from "../observe/line_writer.ts";
import { printable } from "../observe/printable.ts";
import { redact } from "../observe/redact.ts";

// The rules of output. All of it goes through here; the log is the exception.
//
// - Data, which somebody asked for, goes to standard output: for people as
//   lines, with `--json` as one value on one line (a long-running command: one
//   line an event). Nothing else ever goes there.
// - Everything else goes to standard error, one line each, after
//   `swarmd: error: `, `swarmd: warning: ` or `swarmd: hint: `. An error starts
//   upper case, has no final period, and is followed by its hint, if any.
// - What comes from other machines is shown with its control characters
//   escaped, and nothing that looks like a token leaves through an error.
// - Tables have a heading in capitals, columns as wide as their content and two
//   spaces between. There is no colour and no line drawing.

/** How long the end of the program waits for a slow reader, in milliseconds. */
const FLUSH_TIMEOUT_MS = 1_000;

/** What a line on standard error is. */
export type Severity = "error" | "warning" | "hint";

/** Where a command says what it has to say. */
export class Output {
  readonly #stdout: LineWriter;
  readonly #stderr: LineWriter;

  constructor(stdout: LineWriter, stderr: LineWriter) {
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /**
   * Data for people. Waits for a slow reader.
   *
   * @throws {SwarmdError} `disk`
   */
  lines(lines: readonly string[]): Promise<void> {
    return this.#data(joinLines(lines));
  }

  /**
   * Data for programs. Waits for a slow reader.
   *
   * @throws {SwarmdError} `disk`
   */
  json(value: unknown): Promise<void> {
    return this.#data(jsonLine(value));
  }

  /** Lines of a daemon for people, dropped when nobody reads them. */
  postLines(lines: readonly string[]): void {
    this.#stdout.post(joinLines(lines));
  }

  /** A line of a daemon for programs, dropped when nobody reads them. */
  postJson(value: unknown): void {
    this.#stdout.post(jsonLine(value));
  }

  /** A message beside the data. */
  say(severity: Severity, text: string): void {
    this.#stderr.post(`swarmd: ${severity}: ${printable(redact(text))}\n`);
  }

  /** Lines beside the data, as they are: usage, or a stack for developers. */
  aside(lines: readonly string[]): void {
    this.#stderr.post(redact(joinLines(lines)));
  }

  /**
   * How far a long command is, on standard error: a terminal shows the newest
   * line only, anything else gets line after line.
   */
  progress(text: string, terminal: boolean): void {
    const line = printable(redact(text));
    this.#stderr.post(terminal ? `\r\x1b[K${line}` : `swarmd: ${line}\n`);
  }

  /** Ends the line of {@linkcode Output.progress} on a terminal. */
  endProgress(terminal: boolean): void {
    if (terminal) this.#stderr.post("\r\x1b[K");
  }

  /** Takes a line of the log, with its end; false when it was dropped. */
  postLog(line: string): boolean {
    return this.#stderr.post(line);
  }

  /** Waits until all is written, or nobody has read for a second. */
  async flush(): Promise<void> {
    await Promise.all([
      this.#stdout.flush(FLUSH_TIMEOUT_MS),
      this.#stderr.flush(FLUSH_TIMEOUT_MS),
    ]);
  }

  async #data(text: string): Promise<void> {
    try {
      await this.#stdout.write(text);
    } catch (cause) {
      throw diskError("write to", "standard output", { cause });
    }
  }
}

/** Lines of a table, its columns as wide as their content. */
export function formatTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const shown = [heading, ...rows.map((row) => row.map(printable))];
  const widths = heading.map((_, column) =>
    Math.max(...shown.map((row) => length(row[column] ?? "")))
  );
  return shown.map((row) =>
    row.map((cell, column) => pad(cell, widths[column] ?? 0)).join("  ")
      .trimEnd()
  );
}

/** Lines of facts, the values below one another. */
export function formatFacts(
  facts: readonly (readonly [name: string, value: string])[],
): string[] {
  const width = Math.max(0, ...facts.map(([name]) => length(name)));
  return facts.map(([name, value]) =>
    `${pad(name, width)}  ${printable(value)}`.trimEnd()
  );
}

/** Breaks a text into lines of at most so many columns; words stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && length(last) + 1 + length(word) <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** Compact, on one line, and safe to show: JSON leaves some controls as they are. */
function jsonLine(value: unknown): string {
  return `${printable(JSON.stringify(value))}\n`;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - length(text)));
}

/** In characters, not in UTF-16 units. */
function length(text: string): number {
  return [...text].length;
}
