import { encodeBase36 } from "./base36.ts";
import type { Bytes } from "./bytes.ts";

/** Source of randomness. The real one is cryptographic; tests seed theirs. */
export interface Random {
  /** So many unpredictable bytes. */
  bytes(length: number): Bytes;
  /** A number uniformly in [0, 1), for jitter and windows, never for secrets. */
  uniform(): number;
}

const ID_BYTES = 16;
const ID_REGEXP = /^[0-9a-z]{25}$/;

/** A new node, cluster or session id: 128 random bits as 25 base-36 digits. */
export function newId(random: Random): string {
  return encodeBase36(random.bytes(ID_BYTES));
}

/** Whether a text has the form of an id. */
export function isId(text: string): boolean {
  return ID_REGEXP.test(text);
}
