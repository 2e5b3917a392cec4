import { describeError } from "../base/errors.ts";
import type { KeyPair } from "../pki/crypto.ts";
import type { StagedKey } from "../pki/identity_store.ts";
import { decodePem, encodePem } from "../pki/pem.ts";
import type { WorkerPorts } from "./ports.ts";

type Ports = Pick<WorkerPorts, "identity" | "crypto" | "clock" | "logger">;

/** What a key is for. */
export interface KeyUse {
  readonly purpose: StagedKey["purpose"];
  /** Fingerprint of the certificate that the next one follows. */
  readonly after: string;
}

/**
 * The key for the next certificate, on disk before it is used: that of a
 * request whose answer was lost, or a new one.
 */
export async function stageKey(ports: Ports, use: KeyUse): Promise<KeyPair> {
  const { identity, crypto, clock } = ports;
  const staged = await loadStaged(ports, use);
  if (staged) return staged;
  const key = await crypto.generateKey();
  const pkcs8 = await crypto.exportPkcs8(key.privateKey);
  await identity.saveStagedKey({
    keyPem: encodePem("PRIVATE KEY", pkcs8),
    purpose: use.purpose,
    createdAt: clock.now(),
    binding: { after: use.after },
  });
  return key;
}

/** A staged key that cannot be read is worth nothing, and stops nothing. */
async function loadStaged(
  { identity, crypto, logger }: Ports,
  { purpose, after }: KeyUse,
): Promise<KeyPair | undefined> {
  try {
    const staged = await identity.loadStagedKey();
    const same = staged?.purpose === purpose &&
      staged.binding["after"] === after;
    const [pkcs8] = same ? decodePem(staged.keyPem, "PRIVATE KEY") : [];
    return pkcs8 && await crypto.importPkcs8(pkcs8);
  } catch (error) {
    logger.warn("Staged key not usable; making a new one", {
      error: describeError(error),
    });
    return undefined;
  }
}
