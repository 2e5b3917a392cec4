import { toBase64 } from "../base/bytes.ts";
import { describeError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import { createCsr } from "../pki/csr.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { readAnswer } from "./answer.ts";
import type { HeldIdentity } from "./held_identity.ts";

/** Longest text of a problem on the wire. */
const MAX_PROBLEM = 1_000;

/** What a rehearsal works with. */
export interface RehearsalParts {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly held: HeldIdentity;
  /** Asks for a certificate under a root that is thrown away. */
  ask(csr: string): Promise<IssuedResult>;
}

/**
 * Goes through a renewal under a root to come, and throws the result away: no
 * key is saved, nothing is used.
 *
 * @returns why it would fail; `undefined` when it would not
 */
export async function rehearse(
  { crypto, clock, held, ask }: RehearsalParts,
): Promise<string | undefined> {
  try {
    const key = await crypto.generateKey();
    const csr = toBase64(await createCsr(crypto, key));
    const answer = await ask(csr);
    const { clusterId, nodeId, identity: { bundle } } = held;
    const expected = { clusterId, nodeId, now: clock.now() };
    await readAnswer(crypto, { answer, key, bundle, expected });
    return undefined;
  } catch (error) {
    return describeError(error).slice(0, MAX_PROBLEM);
  }
}
