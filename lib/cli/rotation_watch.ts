import { hasCode, SwarmdError } from "../base/errors.ts";
import type { EndedSummary, RotationSummary } from "../cluster/local_api.ts";
import type { Straggler } from "../cluster/root_record.ts";
import { type LocalClient, localClient } from "./client.ts";
import { exitNumber } from "./exit_codes.ts";
import type { OperatorOptions } from "./options.ts";

/** Time between two looks at a rotation, in milliseconds. */
const WATCH_MS = 200;
/** The same, as long as it is brisk: small fleets rotate in a moment. */
const BRISK_MS = 25;
const BRISK_LOOKS = 40;
/** Looks in a row without an answer: a manager may restart, for a minute. */
const MAX_MISSED = 300;
const LOST =
  "The manager does not answer; asking again for a minute. The rotation goes on when it is back";
const GOES_ON =
  "The rotation goes on without this command: `swarmd ca status --watch` follows it, `swarmd ca abort` turns it back";
/** Stragglers that are named for people; `--json` names all. */
const MAX_NAMED = 10;

/**
 * Tells of a rotation until it ends, in one way or the other; and of the one
 * that took its place, if one did.
 *
 * @returns the exit code
 * @throws {SwarmdError} `not-found` when nobody remembers how it ended
 */
export async function watchRotation(
  options: OperatorOptions,
  id: string,
): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  let followed = id;
  let told = "";
  let missed = 0;
  for (let looks = 0;; looks++) {
    const status = await look(client, missed < MAX_MISSED);
    missed = status ? 0 : missed + 1;
    if (missed === 1) options.host.output.say("warning", LOST);
    if (looks === BRISK_LOOKS) options.host.output.say("hint", GOES_ON);
    if (!status) {
      await pause(WATCH_MS);
      continue;
    }
    while (followed !== status.id) {
      const { end, by } = fateOf(status, followed);
      if (by === undefined) return await tellEnd(options, status, end);
      await tellReplaced(options, by);
      followed = by;
    }
    const text = JSON.stringify(status);
    if (text !== told) await tellPhase(options, status);
    told = text;
    await pause(looks < BRISK_LOOKS ? BRISK_MS : WATCH_MS);
  }
}

/** @returns `undefined` when nobody answers, and that is to be borne */
async function look(
  client: LocalClient,
  patient: boolean,
): Promise<RotationSummary | undefined> {
  try {
    return await client.get<RotationSummary>("/v1/ca/status");
  } catch (error) {
    if (patient && hasCode(error, "unreachable")) return undefined;
    throw error;
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Lines that name some stragglers, for people. */
export function namedLines(stragglers: readonly Straggler[], more = 0) {
  const shown = stragglers.slice(0, MAX_NAMED)
    .map(({ node, reason }) => `  ${node}  ${reason}`);
  const others = stragglers.length - shown.length + more;
  return others > 0 ? [...shown, `  and ${others} more`] : shown;
}

/** How a rotation ended that is not under way any more. */
interface Fate {
  readonly end: EndedSummary;
  /** Id of the one that took its place. */
  readonly by?: string;
}

function fateOf(status: RotationSummary, id: string): Fate {
  const { lastRotation: last } = status;
  const ended = last ? [last, ...last.before] : [];
  const at = ended.findIndex((each) => each.id === id);
  const end = ended[at];
  if (!end) throw forgotten(id);
  if (end.outcome !== "replaced") return { end };
  // The one that replaced it is the one that began next
  const by = ended[at - 1]?.id ?? status.id;
  if (by === undefined) throw forgotten(id);
  return { end, by };
}

function forgotten(id: string): SwarmdError {
  return new SwarmdError(
    "not-found",
    `Cannot tell how rotation ${id} ended: others have ended since`,
    { verdict: "stop", hint: "The log has it: `swarmd audit tail`" },
  );
}

/** Where a rotation stands, or that none is under way. */
export async function tellPhase(
  { json, host: { output } }: OperatorOptions,
  { phase, done, total, stragglers, alarms = [] }: RotationSummary,
): Promise<void> {
  if (json) {
    const alarm = alarms.length > 0 && { alarms };
    const event = { event: "phase", phase, done, total, stragglers };
    return await output.json({ ...event, ...alarm });
  }
  await output.lines([
    `${phase}: ${done} of ${total}`,
    ...namedLines(stragglers),
    ...alarms.map((alarm) => `ALARM: ${alarm}`),
  ]);
}

async function tellReplaced(
  { json, host: { output } }: OperatorOptions,
  by: string,
): Promise<void> {
  if (json) return await output.json({ event: "replaced", by });
  await output.lines(["replaced by a newer rotation; following that one"]);
}

async function tellEnd(
  { json, host: { output } }: OperatorOptions,
  { lastRotation: last }: RotationSummary,
  { id, outcome, root: rootDigest }: EndedSummary,
): Promise<number> {
  // Of one that ended before the last one nobody remembers whom it left
  const { stragglers = [], more } = last?.id === id ? last : {};
  const isGood = outcome === "finished";
  const late = { stragglers, ...(more !== undefined && { more }) };
  if (json) {
    const event = isGood ? "finished" : "aborted";
    await output.json({ event, rootDigest, ...(isGood && late) });
  } else {
    await output.lines([
      isGood
        ? `finished: the root is ${rootDigest}`
        : `aborted: the root is still ${rootDigest}`,
      ...endLines(stragglers, more),
    ]);
  }
  return isGood ? 0 : exitNumber("rotation-aborted");
}

/** Whom a rotation ended without, for people. */
export function endLines(stragglers: readonly Straggler[], more = 0) {
  const count = stragglers.length + more;
  if (count === 0) return [];
  return [`${count} left behind`, ...namedLines(stragglers, more)];
}
