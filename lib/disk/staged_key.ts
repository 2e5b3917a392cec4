import { damagedState, diskError } from "./disk_error.ts";
import { readStateFile, writeStateFile } from "./state_file.ts";

const STAGED_KEY_FILE = "next.key.json";
/** A request that is repeated with another key costs a certificate at most. */
const DAMAGED = {
  hint: "Move it away: another key is made in place of the one in it",
};

/**
 * A private key whose certificate is not here yet. It is on the disk before
 * the request is sent, so that a repeated request carries the same key.
 */
export interface StagedKey {
  readonly keyPem: string;
  readonly purpose: "join" | "renew" | "recover";
  /** When the key was made, in milliseconds since 1970-01-01 UTC. */
  readonly createdAt: number;
  /** What the key belongs to (token, root, machine …), each as text. */
  readonly binding: Readonly<Record<string, string>>;
}

/**
 * The staged key of a state directory, if there is one.
 *
 * @throws {SwarmdError} `damaged-state` or `disk`
 */
export async function readStagedKey(
  stateDir: string,
): Promise<StagedKey | undefined> {
  const path = `${stateDir}/${STAGED_KEY_FILE}`;
  const value = await readStateFile(path, DAMAGED);
  if (value === undefined) return undefined;
  if (!isStagedKey(value)) {
    throw damagedState(path, "not a staged key", DAMAGED);
  }
  return value;
}

/**
 * Replaces the staged key; it is on the disk when the promise resolves.
 *
 * @throws {SwarmdError} `disk`
 */
export function writeStagedKey(
  stateDir: string,
  staged: StagedKey,
): Promise<void> {
  return writeStateFile(`${stateDir}/${STAGED_KEY_FILE}`, staged);
}

/**
 * Removes the staged key, if there is one. A power cut may bring it back: what
 * it belongs to is looked at whenever it is read.
 *
 * @throws {SwarmdError} `disk`
 */
export async function removeStagedKey(stateDir: string): Promise<void> {
  const path = `${stateDir}/${STAGED_KEY_FILE}`;
  try {
    await Deno.remove(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw diskError("remove", path, { cause });
  }
}

function isStagedKey(value: unknown): value is StagedKey {
  if (!isRecord(value) || !isRecord(value.binding)) return false;
  const { keyPem, purpose, createdAt, binding } = value;
  return typeof keyPem === "string" && keyPem !== "" &&
    (purpose === "join" || purpose === "renew" || purpose === "recover") &&
    Number.isSafeInteger(createdAt) &&
    Object.values(binding).every((fact) => typeof fact === "string");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
