import { toBase64, toHex } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import type { RecoverableReason } from "../cluster/admission.ts";
import { createCsr } from "../pki/csr.ts";
import type { KeyPair } from "../pki/crypto.ts";
import type { KnownRoot } from "../pki/succession.ts";
import type { Endpoint } from "../rpc/connection.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import type { Adopted } from "./adoption.ts";
import { AnonymousCall } from "./anonymous.ts";
import { readAnswer } from "./answer.ts";
import { dialManager, successorOf } from "./dial_manager.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";
import { stageKey } from "./staged_key.ts";
import type { VoidManager } from "./state.ts";

/** Where a verified manager refused the identity, and why. */
export interface RecoveryCause {
  readonly reason: RecoverableReason;
  readonly endpoint: Endpoint;
  /** A root besides those on the disk that the manager was verified with. */
  readonly successor?: KnownRoot;
}

/** What recovery works with. */
export interface RecoveryParts extends WorkerPorts {
  held(): HeldIdentity;
  /** Highest generation of a root that was ever adopted; 0: not known. */
  generation(): number;
  /** Managers' certificates that were called void. */
  voids(): readonly VoidManager[];
}

/** One question for another certificate. */
export interface RecoveryQuestion {
  readonly cause: RecoveryCause;
  /** An operator has to decide; said again and again. */
  pending(node: string, fingerprint: string): void;
  readonly signal: AbortSignal;
}

/**
 * Asks once. The key is on disk before, so that whoever asks again with it gets
 * the same certificate.
 *
 * @returns the next identity, which is not saved yet
 * @throws {SwarmdError} as the manager says
 */
export async function recoverOnce(
  parts: RecoveryParts,
  question: RecoveryQuestion,
): Promise<Adopted> {
  const { crypto, clock, identity } = parts;
  const before = parts.held();
  const after = before.certificate.fingerprint;
  const key = await stageKey(parts, { purpose: "recover", after });
  const { answer, successor } = await ask(parts, question, key);
  const { clusterId, nodeId } = before;
  const bundle = successor
    ? { roots: [successor.root] }
    : before.identity.bundle;
  const expected = { clusterId, nodeId, now: clock.now() };
  const generation = successor?.generation ?? parts.generation();
  try {
    const made = { answer, key, bundle, expected };
    return { held: await readAnswer(crypto, made), generation };
  } catch (error) {
    await identity.dropStagedKey(); // an answer that fails burns its key
    throw error;
  }
}

async function ask(
  parts: RecoveryParts,
  { cause, pending, signal }: RecoveryQuestion,
  key: KeyPair,
): Promise<{ answer: IssuedResult; successor?: KnownRoot }> {
  const { clock, crypto, version, voids } = parts;
  const held = parts.held();
  const generation = parts.generation();
  const dialled = await dialManager(parts, {
    ...{ endpoint: cause.endpoint, held, generation, voids, signal },
    ...(cause.successor && { successor: cause.successor }),
  });
  const call = new AnonymousCall(dialled.connection, { clock, signal });
  try {
    const { now } = await call.hello(version);
    checkEnd(cause, { held, now });
    const csr = toBase64(await createCsr(crypto, key));
    const fingerprint = toHex(await crypto.sha256(key.spki));
    const answer = await call.call("recover", {
      params: { csr, now: clock.now() },
      pending: (node) => pending(node, fingerprint),
    });
    const successor = dialled.successor ??
      await successorTo(parts, cause, signal);
    return { answer, ...(successor && { successor }) };
  } finally {
    call.close();
  }
}

/**
 * While the grace of an old root lasts, managers are verified with it, and
 * what they offer then is not vouched for by it.
 */
async function successorTo(
  parts: RecoveryParts,
  { reason, endpoint }: RecoveryCause,
  signal: AbortSignal,
): Promise<KnownRoot | undefined> {
  if (reason !== "dropped-root") return undefined;
  const held = parts.held();
  const generation = parts.generation();
  return await successorOf(parts, { endpoint, held, generation, signal });
}

/** Ended by both clocks, this machine's and a verified manager's. */
function checkEnd(
  { reason }: RecoveryCause,
  { held, now }: { readonly held: HeldIdentity; readonly now: number },
): void {
  const { notAfter } = held.certificate;
  if (reason !== "expired" || now >= notAfter) return;
  throw new SwarmdError(
    "clock-skew",
    `Cannot recover: the certificate ends at ${
      formatTime(notAfter)
    }, and the manager's clock says ${formatTime(now)}`,
  );
}
