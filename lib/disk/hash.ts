import { toHex, utf8 } from "../base/bytes.ts";

/** SHA-256 of a text, as 64 hexadecimal digits. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", utf8(text));
  return toHex(new Uint8Array(digest));
}
