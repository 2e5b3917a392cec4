/** How {@linkcode promptSecret} shows what is typed. */
export interface PromptSecretOptions {
  /** Printed for each character; empty prints nothing. Default: `*`. */
  mask?: string;
  /** Whether the line disappears when the answer is complete. */
  clear?: boolean;
}

const CLEAR_LINE = "\r\x1b[K";
const encoder = new TextEncoder();

/**
 * Asks on the terminal for a line that is not echoed.
 *
 * @returns the line, or `null` when standard input is not a terminal
 */
export function promptSecret(
  message = "Secret",
  options: PromptSecretOptions = {},
): string | null {
  if (!Deno.stdin.isTerminal()) return null;
  // First, so that not even a fast paste is echoed. With `cbreak` the terminal
  // still turns ^C into SIGINT.
  Deno.stdin.setRaw(true, { cbreak: Deno.build.os !== "windows" });
  try {
    write(`${message} `);
    return readLine(options.mask ?? "*");
  } finally {
    write(options.clear ? CLEAR_LINE : "\n");
    Deno.stdin.setRaw(false);
  }
}

function readLine(mask: string): string {
  const decoder = new TextDecoder();
  const byte = new Uint8Array(1);
  const characters: string[] = [];
  while (Deno.stdin.readSync(byte)) {
    const character = decoder.decode(byte, { stream: true });
    if (character === "\r" || character === "\n") break;
    if (character === "\b" || character === "\x7f") {
      if (characters.pop() !== undefined) write("\b \b".repeat(mask.length));
    } else if (character !== "") {
      characters.push(character);
      write(mask);
    }
  }
  return characters.join("");
}

function write(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text));
}
