import type {
  AcceptedNewer,
  ApplicantSummary,
  LeftOver,
} from "../cluster/local_api.ts";
import { localClient } from "./client.ts";
import { relativeTime } from "./describe.ts";
import type { OperatorOptions } from "./options.ts";
import { formatTable } from "./output.ts";

/** What an operator says of who waits. */
export type Approval = "accept" | "reject";

/** Digits of a fingerprint in a table. */
const SHOWN_DIGITS = 16;

/** `node accept` and `node reject` */
export async function decideOn(
  { word, id: given, fingerprint, ...options }: OperatorOptions & {
    readonly word: Approval;
    readonly id: string;
    readonly fingerprint: string | undefined;
  },
): Promise<number> {
  const { host, json, stateDir } = options;
  const body = {
    id: given,
    ...(fingerprint !== undefined && { fingerprint }),
  };
  const done = await localClient(stateDir, host)
    .post<Decided>(`/v1/nodes/${word}`, body);
  const { id, state } = done;
  if (json) await host.output.json(done);
  else await host.output.lines([`${id} is ${state}`]);
  return 0;
}

/** `node accept --newer-than-store` */
export async function acceptNewer(options: OperatorOptions): Promise<number> {
  const { host, json, stateDir } = options;
  const done = await localClient(stateDir, host)
    .post<AcceptedNewer>("/v1/nodes/accept-newer", {});
  const { accepted, left } = done;
  if (json) await host.output.json(done);
  else {
    await host.output.lines([
      ...accepted.map((id) => `${id} is accepted`),
      ...left.map(leftLine),
      ...accepted.length + left.length === 0 ? ["nobody waits so"] : [],
    ]);
  }
  return 0;
}

/** With all that it takes to accept it. */
function leftLine({ id, fingerprint, why }: LeftOver): string {
  const key = fingerprint.slice(0, SHOWN_DIGITS);
  return `${id} is left over, key ${key}: ${why}`;
}

/** `node ls --pending` */
export async function pendingLs(options: OperatorOptions): Promise<number> {
  const { host, json, stateDir } = options;
  const waiting = await localClient(stateDir, host)
    .get<ApplicantSummary[]>("/v1/applicants");
  if (json) await host.output.json(waiting);
  else await host.output.lines(pendingTable(waiting, host.now()));
  return 0;
}

interface Decided {
  readonly id: string;
  readonly fingerprint?: string;
  readonly state: "accepted" | "rejected";
}

function pendingTable(
  waiting: readonly ApplicantSummary[],
  now: number,
): string[] {
  return formatTable(
    [
      "ID",
      "KEY",
      "ROLE",
      "HOSTNAME",
      "ADDRESS",
      "TOKEN",
      "SINCE",
      "STATE",
      "WHY",
    ],
    waiting.map((each) => [
      each.id,
      each.fingerprint.slice(0, SHOWN_DIGITS),
      each.role,
      each.hostname || "-",
      each.address,
      each.token?.slice(0, SHOWN_DIGITS) ?? "-",
      relativeTime(each.since, now),
      each.state,
      each.why,
    ]),
  );
}
