import { fromBase64 } from "../base/bytes.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import { SECOND } from "../base/time.ts";
import { readCertificate } from "../pki/certificate.ts";
import type { Vouched } from "../pki/cross_sign.ts";
import type { Crypto } from "../pki/crypto.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import { type KnownRoot, walkSuccession } from "../pki/succession.ts";
import { mayHaveIssued } from "../pki/chain.ts";
import type { Endpoint } from "../rpc/connection.ts";
import type { Result } from "../rpc/methods.ts";
import { AnonymousCall } from "./anonymous.ts";
import type { WorkerPorts } from "./ports.ts";

/** Most roots that are asked about; a bundle has one or two. */
export const MAX_ASKED = 8;

/** How long a search may take, in milliseconds: whoever answers may be anybody. */
const SEARCH_MS = 5 * SECOND;

/** Whence a succession is looked for, and where. */
export interface SuccessionSearch {
  readonly endpoint: Endpoint;
  readonly clusterId: string;
  /** Roots that are trusted; the newest last. */
  readonly trusted: readonly KnownRoot[];
  /** Lowest generation that the way may end at. */
  readonly floor: number;
  readonly signal: AbortSignal;
}

/**
 * Asks for the way from the roots that are trusted here to a later one, on a
 * connection that proves nothing. Each link is checked from an own root on; a
 * link that does not hold, and whatever else is said there, changes nothing.
 *
 * @returns the end of the way; `undefined` when there is none that holds, or
 * it ends below the floor
 */
export async function findSuccessor(
  ports: Pick<
    WorkerPorts,
    "crypto" | "clock" | "dialer" | "version" | "logger"
  >,
  search: SuccessionSearch,
): Promise<KnownRoot | undefined> {
  const { crypto, clock, logger } = ports;
  const { clusterId, signal, floor } = search;
  try {
    const links = await readLinks(crypto, await askLinks(ports, search));
    const begin = beginOf(links, search.trusted);
    if (!begin) return undefined;
    const at = clock.now();
    const walk = { ...begin, links, clusterId, at };
    const end = await walkSuccession(crypto, walk);
    if (end.generation >= floor) return end;
    throw new SwarmdError(
      "root-mismatch",
      `It ends at generation ${end.generation}, want at least ${floor}`,
    );
  } catch (error) {
    signal.throwIfAborted();
    // Said by nobody in particular: it is shown to who looks for it.
    const text = describeError(error);
    logger.debug("No succession to the manager's root", { error: text });
    return undefined;
  }
}

async function askLinks(
  { crypto, clock, dialer, version }: Pick<
    WorkerPorts,
    "crypto" | "clock" | "dialer" | "version"
  >,
  { endpoint, trusted, signal }: SuccessionSearch,
): Promise<Result<"ca.succession">["links"]> {
  const asked = trusted.slice(-MAX_ASKED);
  const digests = await Promise.all(
    asked.map(async ({ root }) =>
      formatDigest(await rootDigest(crypto, root.der))
    ),
  );
  const late = new AbortController();
  const cancel = clock.schedule(SEARCH_MS, () => {
    late.abort(new SwarmdError("timed-out", "No succession in time"));
  });
  const either = AbortSignal.any([signal, late.signal]);
  try {
    const connection = await dialer.dialUnverified(endpoint, either);
    const call = new AnonymousCall(connection, { clock, signal: either });
    try {
      await call.hello(version);
      const { links } = await call.call("ca.succession", {
        params: { digests },
      });
      return links;
    } finally {
      call.close();
    }
  } finally {
    cancel();
  }
}

/** The links of an answer, parsed and not believed. */
export async function readLinks(
  crypto: Crypto,
  links: readonly { readonly root: string; readonly cross: string }[],
): Promise<Vouched[]> {
  const read = (base64: string) => readCertificate(crypto, fromBase64(base64));
  const found: Vouched[] = [];
  for (const { root, cross } of links) {
    found.push({ root: await read(root), cross: await read(cross) });
  }
  return found;
}

/** The trusted root that the first link says it begins at. */
function beginOf(
  [first]: readonly Vouched[],
  trusted: readonly KnownRoot[],
): KnownRoot | undefined {
  if (!first) return undefined;
  const begin = trusted.findLast(({ root }) =>
    mayHaveIssued(root, first.cross)
  );
  if (begin) return begin;
  throw new SwarmdError("root-mismatch", "It begins at no root of this node");
}
