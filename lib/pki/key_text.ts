import { base36Width, decodeBase36 } from "../base/base36.ts";
import type { Bytes } from "../base/bytes.ts";
import type { SwarmdError } from "../base/errors.ts";

/** Longest text that is looked at; keys and tokens are far shorter. */
const MAX_CHARACTERS = 512;

/** How a text is wrong, said in the words of what it should be. */
export type Malformed = (found: string) => SwarmdError;

/**
 * Splits what people copy, `<prefix>-<parts…>`; white space around it is
 * dropped. Errors never quote it: it is a secret.
 */
export function splitKeyText(
  text: string,
  { prefix, malformed }: {
    readonly prefix: string;
    readonly malformed: Malformed;
  },
): string[] {
  const trimmed = text.trim();
  if (trimmed === "") throw malformed("it is empty");
  if (trimmed.length > MAX_CHARACTERS) throw malformed("it is far too long");
  const [first, ...parts] = trimmed.split("-");
  if (first === prefix) return parts;
  throw malformed(`it does not begin with "${prefix}-"`);
}

/** Reads one part: so many bytes in base 36, in the one width that they have. */
export function readKeyPart(
  text: string,
  { what, byteLength, malformed }: {
    readonly what: string;
    readonly byteLength: number;
    readonly malformed: Malformed;
  },
): Bytes {
  const width = base36Width(byteLength);
  if (text.length !== width) {
    const cut = text.length < width ? "; it looks cut off" : "";
    throw malformed(
      `its ${what} has ${text.length} characters, want ${width}${cut}`,
    );
  }
  if (!/^[0-9a-z]+$/.test(text)) {
    throw malformed(`its ${what} has characters other than 0-9 and a-z`);
  }
  try {
    return decodeBase36(text, byteLength);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed(`the value of its ${what} is too large`);
  }
}
