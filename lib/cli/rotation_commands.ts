import type {
  CutSummary,
  RehearsalSummary,
  RotationSummary,
} from "../cluster/local_api.ts";
import { readAuthorityFiles } from "./authority_files.ts";
import type { AuthorityWish } from "./authority_options.ts";
import { localClient } from "./client.ts";
import { moment } from "./describe.ts";
import { exitNumber } from "./exit_codes.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts } from "./output.ts";
import {
  endLines,
  namedLines,
  tellPhase,
  watchRotation,
} from "./rotation_watch.ts";

/** What a rotation is to be like. */
export interface RotationWishOptions extends OperatorOptions {
  readonly deadlineMs: number | undefined;
  /** Percent. */
  readonly quorum: number | undefined;
  /** The present root need not vouch for the next. */
  readonly trustFirst: boolean;
  /** Absent: a new root. */
  readonly authority: AuthorityWish | undefined;
}

/** What `ca rotate` was asked. */
export interface RotateOptions extends RotationWishOptions {
  readonly detach: boolean;
}

/** `ca rotate` */
export async function caRotate(options: RotateOptions): Promise<number> {
  const client = localClient(options.stateDir, options.host);
  const wish = await bodyOf(options);
  const begun = await client.post<RotationSummary>("/v1/ca/rotate", wish);
  if (begun.id === undefined) return await tellServers(options, begun);
  if (!options.detach) return await watchRotation(options, begun.id);
  await tell(options, begun);
  return 0;
}

/** The authority is the one that it was: nobody has to renew. */
async function tellServers(
  { json, host: { output } }: OperatorOptions,
  { root: rootDigest }: RotationSummary,
): Promise<number> {
  const event = { event: "finished", rootDigest, stragglers: [] };
  if (json) await output.json({ ...event, onlyServers: true });
  else await output.lines(["servers changed; no rotation is needed"]);
  return 0;
}

async function bodyOf(options: RotationWishOptions): Promise<object> {
  const { deadlineMs, quorum, trustFirst, authority: wish } = options;
  const authority = wish && await readAuthorityFiles(wish, options.host);
  return {
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(quorum !== undefined && { quorum: quorum / 100 }),
    ...(trustFirst && { trustFirst }),
    ...(authority && { authority }),
  };
}

/** `ca rotate --compromised` */
export async function caCutOff(
  { cutAll, ...options }: OperatorOptions & { readonly cutAll: boolean },
): Promise<number> {
  const { json, host } = options;
  const client = localClient(options.stateDir, host);
  const cut = await client.post<CutSummary>("/v1/ca/cut-off", { cutAll });
  const { root: rootDigest, ...who } = cut;
  const { carried, stragglers } = who;
  if (json) {
    await host.output.json({ event: "finished", rootDigest, ...who });
    return 0;
  }
  await host.output.lines([
    `the root is ${rootDigest}; all join tokens are new`,
    `${carried.length} carried over on their sessions`,
    ...carried.map((id) => `  ${id}`),
    `${stragglers.length} have to join again`,
    ...stragglers.map(({ node, reason }) => `  ${node}  ${reason}`),
  ]);
  return 0;
}

/** `ca rotate --dry-run` */
export async function caRehearse(
  options: RotationWishOptions,
): Promise<number> {
  const { json, host: { output } } = options;
  const client = localClient(options.stateDir, options.host);
  const wish = await bodyOf(options);
  const summary = await client
    .post<RehearsalSummary>("/v1/ca/rehearse", wish);
  const { obstacle, target, onlyServers, ready, problems, absent } = summary;
  const good = obstacle === undefined && problems.length === 0;
  if (json) await output.json(summary);
  else {
    await output.lines([
      ...(obstacle === undefined ? [] : [`cannot rotate: ${obstacle}`]),
      ...(target === undefined ? [] : [`the authority is good: ${target}`]),
      onlyServers
        ? "only its servers change; no rotation is needed"
        : `${ready} nodes would renew`,
      ...namedLines(problems),
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
  if (options.watch && status.id !== undefined) {
    return await watchRotation(options, status.id);
  }
  // Whoever watches reads events, also where there is nothing to watch
  if (options.watch && options.json) await tellPhase(options, status);
  else await tell(options, status);
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

/** So that programs find the same fields, whether one is under way or not. */
const NO_ROTATION = { id: null, target: null, startedAt: null, deadline: null };

async function tell(
  { json, host }: OperatorOptions,
  status: RotationSummary,
): Promise<void> {
  if (json) await host.output.json({ ...NO_ROTATION, ...status });
  else await host.output.lines(linesOf(status, host.now()));
}

function linesOf(status: RotationSummary, now: number): string[] {
  const { phase, root, target, done, total, stragglers, startedAt, deadline } =
    status;
  const { alarms = [], lastRotation: last } = status;
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
      ...(last === undefined
        ? []
        : [["last", `${last.outcome} ${moment(last.at, now)}`] as const]),
      ...alarms.map((alarm) => ["ALARM", alarm] as const),
    ]),
    ...namedLines(stragglers),
    ...(phase === "stable" ? endLines(last?.stragglers ?? [], last?.more) : []),
  ];
}
