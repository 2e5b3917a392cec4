import { SwarmdError } from "../base/errors.ts";
import { MAX_VOID_MANAGERS } from "../cluster/void_managers.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { VoidManagersParams } from "../rpc/schemas.ts";
import type { VoidManager } from "./state.ts";

/** A certificate, as much of it as is looked at here. */
export type Presented = Pick<Certificate, "fingerprint" | "notBefore">;

/**
 * Whether a certificate was called void by a manager whose own was as new or
 * newer. The manager that calls may be a thief with a stolen key, who would
 * void the true manager's certificate and keep the worker for himself: he can
 * only void what is older than what he has, and a manager gets itself another
 * certificate whenever it takes one back.
 *
 * It is asked of the certificate that is presented, and of nothing that a list
 * says about it: a thief writes there what he likes.
 */
export function isVoid(
  { fingerprint, notBefore }: Presented,
  known: readonly VoidManager[],
): boolean {
  return known.some((each) =>
    each.fingerprint === fingerprint && notBefore <= each.newest
  );
}

/**
 * What is known when a manager that was judged good has told its list. Nothing
 * is forgotten because it is not told any more: the manager's store may be an
 * older one. Where there are too many, those just told stay.
 *
 * @throws {SwarmdError} `answer-refused` when it names its own certificate
 */
export function hearVoid(
  known: readonly VoidManager[],
  told: VoidManagersParams["certificates"],
  { from, now }: {
    /** What the manager presented. */
    readonly from: Presented;
    /** Wall clock, in milliseconds. */
    readonly now: number;
  },
): VoidManager[] {
  if (told.some(({ fingerprint }) => fingerprint === from.fingerprint)) {
    throw new SwarmdError(
      "answer-refused",
      "Cannot take the list of void certificates: it names the manager's own",
    );
  }
  const heard = told.map((each) => ({ ...each, newest: from.notBefore }));
  const all = new Map<string, VoidManager>();
  for (const entry of [...heard, ...known]) {
    const { newest = -Infinity } = all.get(entry.fingerprint) ?? {};
    if (entry.until <= now || entry.newest <= newest) continue;
    all.set(entry.fingerprint, entry);
  }
  const kept = [...all.values()].slice(0, MAX_VOID_MANAGERS);
  // Always in the same order, so that a list without news is not written.
  return kept.sort((a, b) => a.fingerprint < b.fingerprint ? -1 : 1);
}
