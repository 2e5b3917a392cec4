import type {
  CutSummary,
  RehearsalSummary,
  RotationSummary,
} from "../cluster/local_api.ts";
import { readAuthorityFiles } from "./authority_files.ts";
import type { AuthorityWish } from "./authority_options.ts";
import { type LocalClient, localClient } from "./client.ts";
import { moment } from "./describe.ts";
import { exitNumber } from "./exit_codes.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts } from "./output.ts";

/** Time between two looks at a rotation, in milliseconds. */
const WATCH_MS = 200;
/** The same, as long as it is brisk: small fleets rotate in a moment. */
const BRISK_MS = 25;
const BRISK_LOOKS = 40;
/** Stragglers that are named for people; `--json` names all. */
const MAX_NAMED = 10;

/** What `ca rotate` was asked. */
export interface RotateOptions extends OperatorOptions {
  readonly deadlineMs: number | undefined;
  /** Percent. */
  readonly quorum: number | undefined;
  readonly detach: boolean;
  /** The present root need not vouch for the next. */
  readonly trustFirst: boolean;
  /** Absent: a new root. */
  readonly authority: AuthorityWish | undefined;
}

/** `ca rotate` */
export async function caRotate(options: RotateOptions): Promise<number> {
  const { deadlineMs, quorum, detach, trustFirst, authority: wish } = options;
  const authority = wish && await readAuthorityFiles(wish, options.host);
  const client = localClient(options.stateDir, options.host);
  const begun = await client.post<RotationSummary>("/v1/ca/rotate", {
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(quorum !== undefined && { quorum: quorum / 100 }),
    ...(trustFirst && { trustFirst }),
    ...(authority && { authority }),
  });
  if (!detach) return await watch(client, options, begun.target);
  await tell(options, begun);
  return 0;
}

/** `ca rotate --compromised` */
export async function caCutOff(
  { cutAll, ...options }: OperatorOptions & { readonly cutAll: boolean },
): Promise<number> {
  const { json, host } = options;
  const client = localClient(options.stateDir, host);
  const cut = await client.post<CutSummary>("/v1/ca/cut-off", { cutAll });
  const { root: rootDigest, carried, left } = cut;
  if (json) {
    await host.output.json({ event: "finished", rootDigest, carried, left });
    return 0;
  }
  await host.output.lines([
    `the root is ${rootDigest}; all join tokens are new`,
    `${carried.length} carried over on their sessions`,
    ...carried.map((id) => `  ${id}`),
    `${left.length} have to join again`,
    ...left.map((id) => `  ${id}`),
  ]);
  return 0;
}

/** `ca rotate --dry-run` */
export async function caRehearse(options: OperatorOptions): Promise<number> {
  const { json, host: { output } } = options;
  const client = localClient(options.stateDir, options.host);
  const summary = await client
    .post<RehearsalSummary>("/v1/ca/rehearse", {});
  const { obstacle, ready, problems, absent } = summary;
  const good = obstacle === undefined && problems.length === 0;
  if (json) await output.json(summary);
  else {
    await output.lines([
      ...(obstacle === undefined ? [] : [`cannot rotate: ${obstacle}`]),
      `${ready} nodes would renew`,
      ...named(problems),
      ...(absent.length === 0 ? [] : [`${absent.length} are not connected`]),
    ]);
  }
  return good ? 0 : exitNumber("refused");
}

/** `ca status` */
export async function caStatus(
  options: OperatorOptions & { readonly watch: boolean },
): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const status = await client.get<RotationSummary>("/v1/ca/status");
  if (options.watch && status.phase !== "stable") {
    return await watch(client, options, status.target);
  }
  if (options.json) await options.host.output.json(status);
  else await options.host.output.lines(linesOf(status, options.host.now()));
  return 0;
}

/** `ca abort` and `ca finish` */
export async function caStep(
  step: "abort" | "finish",
  options: OperatorOptions,
): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const status = await client.post<RotationSummary>(`/v1/ca/${step}`, {});
  await tell(options, status);
  return 0;
}

/** Until the rotation ends, in one way or the other. */
async function watch(
  client: LocalClient,
  options: OperatorOptions,
  target: string | undefined,
): Promise<number> {
  let told = "";
  for (let looks = 0;; looks++) {
    const status = await client.get<RotationSummary>("/v1/ca/status");
    const text = JSON.stringify(status);
    if (text !== told) await tellPhase(options, status);
    told = text;
    if (status.phase === "stable") {
      return await tellEnd(options, status, target);
    }
    const pauseMs = looks < BRISK_LOOKS ? BRISK_MS : WATCH_MS;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function tellPhase(
  { json, host: { output } }: OperatorOptions,
  { phase, done, total, stragglers }: RotationSummary,
): Promise<void> {
  if (phase === "stable") return;
  if (json) {
    return await output.json({
      event: "phase",
      phase,
      done,
      total,
      stragglers,
    });
  }
  await output.lines([
    `${phase}: ${done} of ${total}`,
    ...named(stragglers),
  ]);
}

async function tellEnd(
  { json, host: { output } }: OperatorOptions,
  { root, stragglers }: RotationSummary,
  target: string | undefined,
): Promise<number> {
  const finished = root === target;
  if (json) {
    await output.json(
      finished
        ? { event: "finished", rootDigest: root, stragglers }
        : { event: "aborted", rootDigest: root },
    );
  } else {
    const what = finished
      ? "finished: the root is"
      : "aborted: the root is still";
    await output.lines([`${what} ${root}`]);
  }
  return finished ? 0 : exitNumber("rotation-aborted");
}

async function tell(
  { json, host }: OperatorOptions,
  status: RotationSummary,
): Promise<void> {
  if (json) await host.output.json(status);
  else await host.output.lines(linesOf(status, host.now()));
}

function linesOf(status: RotationSummary, now: number): string[] {
  const { phase, root, target, done, total, stragglers, startedAt, deadline } =
    status;
  return [
    ...formatFacts([
      ["phase", phase],
      ["root", root],
      ...(target === undefined ? [] : [["target", target] as const]),
      ...(phase === "stable" ? [] : [["done", `${done} of ${total}`] as const]),
      ...(startedAt === undefined
        ? []
        : [["started", moment(startedAt, now)] as const]),
      ...(deadline === undefined
        ? []
        : [["deadline", moment(deadline, now)] as const]),
    ]),
    ...named(stragglers),
  ];
}

function named(stragglers: RotationSummary["stragglers"]): string[] {
  const shown = stragglers.slice(0, MAX_NAMED)
    .map(({ node, reason }) => `  ${node}  ${reason}`);
  const more = stragglers.length - shown.length;
  return more > 0 ? [...shown, `  and ${more} more`] : shown;
}
