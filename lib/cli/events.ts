import { formatDuration, formatTime } from "../base/time.ts";
import type { IssuedFacts } from "../pki/issued_facts.ts";
import type { WorkerEvent } from "../worker/ports.ts";
import { formatFacts, type Output } from "./output.ts";

/** Of a key's fingerprint, as much as nobody makes another key for. */
const SHOWN_DIGITS = 16;

/** What a command that goes on running tells its operator. */
export type RunEvent =
  | {
    readonly event: "ready";
    readonly cluster: string;
    readonly node: string;
    /** Where it listens, `host:port`, with the port that it really got. */
    readonly listen: string;
    /** `sha256:<hex>` of the cluster's root. */
    readonly rootDigest: string;
    /** Where others reach it, `host:port`. */
    readonly managers?: readonly string[];
    /** From `manager init` only: journals keep what they are given. */
    readonly joinTokens?: { readonly worker: string; readonly manager: string };
    /** From `manager init --autolock` only. */
    readonly unlockKey?: string;
  }
  | {
    readonly event: "locked";
    /** Version of the unlock key that is wanted. */
    readonly keyVersion: number;
  }
  | WorkerEvent
  | { readonly event: "stopped"; readonly reason: string };

/** Where events go. */
export type EventSink = (event: RunEvent) => void;

/**
 * Writes events to standard output: for programs one JSON object a line, with
 * the time `at` which each was told; for people as text. Never waits.
 */
export function eventWriter(
  output: Pick<Output, "postJson" | "postLines">,
  { json, now }: { readonly json: boolean; readonly now: () => number },
): EventSink {
  return (event) => {
    if (json) output.postJson(eventObject(event, now()));
    else output.postLines(eventLines(event, now()));
  };
}

/** An event as programs read it; times are ISO 8601. */
function eventObject(
  event: RunEvent,
  at: number,
): Readonly<Record<string, unknown>> {
  const { event: name, ...rest } = event;
  const stamped = { event: name, at: new Date(at).toISOString(), ...rest };
  if (!("notAfter" in event)) return stamped;
  return {
    ...stamped,
    notBefore: formatTime(event.notBefore),
    notAfter: formatTime(event.notAfter),
  };
}

/** An event as people read it. */
function eventLines(event: RunEvent, at: number): string[] {
  const line = (text: string) => [`${formatTime(at)} ${text}`];
  switch (event.event) {
    case "ready":
      return [...line(`ready on ${event.listen}`), ...readyLines(event)];
    case "locked":
      return line(
        `locked: run \`swarmd unlock\` with the key of version ${event.keyVersion}`,
      );
    case "pending":
      return [
        ...line(`waiting for approval as ${event.node}`),
        `  key ${event.fingerprint}`,
        `  on a manager: ${acceptLine(event)}`,
      ];
    case "joined":
      return line(`joined as ${event.node}: ${validity(event, at)}`);
    case "renewed":
      return line(`renewed the certificate: ${validity(event, at)}`);
    case "recovered":
      return line(
        `recovered the certificate (${event.reason}): ${validity(event, at)}`,
      );
    case "connected":
      return line(`connected to manager ${event.manager}`);
    case "disconnected":
      return line(
        `disconnected from manager ${event.manager}: ${event.reason}`,
      );
    case "root-changed":
      return line(`changed the root: ${event.rootDigest}`);
    case "stopped":
      return line(`stopped: ${event.reason}`);
  }
}

function readyLines(event: RunEvent & { event: "ready" }): string[] {
  const lines = formatFacts([
    ["cluster", event.cluster],
    ["node", event.node],
    ["root", event.rootDigest],
  ]);
  if (!event.joinTokens) return lines;
  const { worker, manager } = event.joinTokens;
  return [
    ...lines,
    "",
    "Join token for workers, and then for managers (secrets):",
    `  ${worker}`,
    `  ${manager}`,
    "",
    "To add a worker, put its token in a file on its machine and run there:",
    `  ${joinLine(event.managers ?? [event.listen])}`,
    "",
    ...unlockLines(event.unlockKey),
  ];
}

function unlockLines(unlockKey: string | undefined): string[] {
  if (unlockKey === undefined) return [];
  return [
    "Unlock key, which each start of this manager needs (a secret; keep it apart):",
    `  ${unlockKey}`,
    "",
  ];
}

/** The command that joins a worker by these addresses. */
export function joinLine(managers: readonly string[]): string {
  return ["swarmd worker join --token-file FILE", ...managers].join(" ");
}

/** The command that lets a machine in whose key was compared. */
function acceptLine(
  { node, fingerprint }: {
    readonly node: string;
    readonly fingerprint: string;
  },
): string {
  const key = fingerprint.slice(0, SHOWN_DIGITS);
  return `swarmd node accept ${node} --fingerprint ${key}`;
}

function validity(certificate: IssuedFacts, at: number): string {
  const { serial, notAfter } = certificate;
  return `serial ${serial}, valid for ${formatDuration(notAfter - at)} until ${
    formatTime(notAfter)
  }`;
}
