/** How often one session may be taken back before it is a conflict. */
const MAX_RETURNS = 3;
/** Within what time, in milliseconds. */
const WINDOW_MS = 10 * 60_000;
/** Process instances remembered per node. */
const MAX_REMEMBERED = 8;

/** An instance whose session another one took. */
interface Replaced {
  readonly instance: string;
  readonly at: number;
}

/** What is remembered of the fights over one node's session. */
export interface Takeovers {
  readonly replaced: readonly Replaced[];
  /** When a replaced instance came back, in milliseconds. */
  readonly returns: readonly number[];
}

/** No fights yet. */
export const NO_TAKEOVERS: Takeovers = { replaced: [], returns: [] };

/**
 * Records that one process instance took a node's session from another.
 *
 * A device that restarts never brings an old instance back, so only a return
 * proves that two machines live with one identity (U23); a device in a crash
 * loop is not mistaken for a clone.
 */
export function takeOver(
  before: Takeovers,
  event: { readonly from: string; readonly to: string; readonly now: number },
): { readonly takeovers: Takeovers; readonly conflict: boolean } {
  const { from, to, now } = event;
  const alive = before.replaced.some((r) => r.instance === to);
  const recent = before.returns.filter((at) => now - at < WINDOW_MS);
  const returns = alive ? [...recent, now] : recent;
  const others = before.replaced.filter((r) =>
    r.instance !== from && now - r.at < WINDOW_MS
  );
  const replaced = [...others, { instance: from, at: now }];
  return {
    takeovers: { replaced: replaced.slice(-MAX_REMEMBERED), returns },
    conflict: returns.length > MAX_RETURNS,
  };
}
