import { SwarmdError } from "../base/errors.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { KnownRoot } from "../pki/succession.ts";
import type { Endpoint } from "../rpc/connection.ts";
import type { WireMessage } from "../rpc/message.ts";
import type { HelloResult } from "../rpc/schemas.ts";
import { PROTOCOL } from "./anonymous.ts";
import { dialManager, type ManagerDial } from "./dial_manager.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { JudgedManager } from "./judge_manager.ts";
import { ManagerConnection } from "./manager_connection.ts";
import type { WorkerPorts } from "./ports.ts";
import type { VoidManager } from "./state.ts";
import { isVoid } from "./void_managers.ts";
import type { Skew } from "./skew_meter.ts";
import type { WorkerSession } from "./worker_session.ts";

/** Where a session lives, and what was presented there. */
export interface Established {
  readonly held: HeldIdentity;
  readonly endpoint: Endpoint;
  /** A root besides those on the disk that the manager was verified with. */
  readonly successor?: KnownRoot;
}

/** A connection that serves the session, or is about to. */
export interface Line extends Established {
  readonly link: ManagerConnection;
  readonly manager: JudgedManager;
}

/** What is known of the uplink, for `status`. */
export interface UplinkStatus {
  readonly connected: boolean;
  readonly manager: string | undefined;
  /** Wall clock, in milliseconds. */
  readonly since: number;
  readonly lastError: string | undefined;
  /** How far the own clock is from the manager's. */
  readonly skew: Skew | undefined;
}

/** What happens on a line. */
export interface LineEvents {
  message(link: ManagerConnection, message: WireMessage): void;
  beaten(
    link: ManagerConnection,
    beat: { readonly now: number; readonly nextMs?: number },
  ): void;
  move(reason: string): void;
  closed(link: ManagerConnection, error: SwarmdError): void;
}

/** Opens a line to a manager, which is verified. Nothing was said on it yet. */
export async function openLine(
  ports: WorkerPorts,
  { events, ...dial }: ManagerDial & { readonly events: LineEvents },
): Promise<Line> {
  const { connection, ...rest } = await dialManager(ports, dial);
  const link: ManagerConnection = new ManagerConnection(connection, {
    clock: ports.clock,
    events: {
      message: (message) => events.message(link, message),
      heartbeat: (beat) => events.beaten(link, beat),
      move: (reason) => events.move(reason),
      closed: (error) => events.closed(link, error),
    },
  });
  const { held, endpoint } = dial;
  return { link, held, endpoint, ...rest };
}

/** Gives up those lines whose manager was called void since it was judged. */
export function giveUpVoid(
  lines: readonly (Line | undefined)[],
  voids: readonly VoidManager[],
): void {
  const text = "Connection given up: the manager's certificate is void now";
  for (const line of lines) {
    if (!line || !isVoid(line.manager.certificate, voids)) continue;
    line.link.giveUp(new SwarmdError("tls", text));
  }
}

/** What the manager of a line presented. */
export async function presentedOn(
  { link }: Line,
  crypto: Crypto,
): Promise<Certificate[]> {
  const { presented } = link.connection.facts;
  return await Promise.all(
    presented.map((der) => readCertificate(crypto, der)),
  );
}

/** Who greets, and for which session. */
export interface Greeting {
  readonly session: WorkerSession;
  /** Random per process. */
  readonly instance: string;
  readonly version: string;
  /** In the turn in which the answer came. */
  readonly answered: (hello: HelloResult) => void;
}

/** Says `hello` for a session. */
export async function greet(
  { link, held }: Line,
  { session, instance, version, answered }: Greeting,
): Promise<HelloResult> {
  const { id, lastSeen, opened: resume } = session;
  return await link.ask("hello", {
    params: {
      protocols: [PROTOCOL],
      version,
      features: ["drill"],
      session: { id, lastSeen, resume, instance },
      bundle: held.trust.bundle,
    },
    answered,
  });
}
