import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import * as schema from "./schemas.ts";

/** Who may call a method. Every one who may is listed; nobody else may. */
export type Caller = "anonymous" | "recovering" | "worker" | "manager";

/** How a message travels: by itself, or numbered in a session. */
export type Carriage = "connection" | "session";

interface Row {
  readonly params: z.ZodMiniType;
  readonly result: z.ZodMiniType;
  readonly callers: readonly Caller[];
  readonly carriage: Carriage;
  /** A request is answered; a notification is not. Never one as the other. */
  readonly kind: "request" | "notification";
}

/**
 * Everything that a peer can ask of a manager: THE table. A method without a
 * row does not exist, a caller that a row does not list is denied.
 */
export const METHODS = {
  "hello": {
    params: schema.helloParams,
    result: schema.helloResult,
    callers: ["anonymous", "recovering", "worker", "manager"],
    carriage: "connection",
    kind: "request",
  },
  "ca.root": {
    params: schema.caRootParams,
    result: schema.caRootResult,
    callers: ["anonymous"],
    carriage: "connection",
    kind: "request",
  },
  "ca.succession": {
    params: schema.successionParams,
    result: schema.successionResult,
    callers: ["anonymous"],
    carriage: "connection",
    kind: "request",
  },
  "join": {
    params: schema.joinParams,
    result: schema.issuedResult,
    callers: ["anonymous"],
    carriage: "connection",
    kind: "request",
  },
  "recover": {
    params: schema.recoverParams,
    result: schema.issuedResult,
    callers: ["recovering"],
    carriage: "connection",
    kind: "request",
  },
  "heartbeat": {
    params: schema.heartbeatParams,
    result: schema.nothing,
    callers: ["worker", "manager"],
    carriage: "connection",
    kind: "notification",
  },
  "node.register": {
    params: schema.registerParams,
    result: schema.nothing,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "notification",
  },
  "node.renew": {
    params: schema.renewParams,
    result: schema.issuedResult,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "request",
  },
  "node.rehearse": {
    params: schema.rehearseParams,
    result: schema.issuedResult,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "request",
  },
  "node.rehearsed": {
    params: schema.rehearsedParams,
    result: schema.nothing,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "notification",
  },
  "node.leave": {
    params: schema.nothing,
    result: schema.nothing,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "request",
  },
  "audit.kept": {
    params: schema.auditHead,
    result: schema.nothing,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "notification",
  },
  "drill.number": {
    params: schema.drillParams,
    result: schema.nothing,
    callers: ["worker", "manager"],
    carriage: "session",
    kind: "notification",
  },
} as const satisfies Readonly<Record<string, Row>>;

/** What a manager tells a worker without being asked. */
export const PUSHES = {
  "heartbeat": { params: schema.heartbeatParams, carriage: "connection" },
  "move": { params: schema.moveParams, carriage: "connection" },
  "close": { params: schema.closeParams, carriage: "connection" },
  "pending": { params: schema.pendingParams, carriage: "connection" },
  "cluster.managers": { params: schema.managersParams, carriage: "session" },
  "cluster.void-managers": {
    params: schema.voidManagersParams,
    carriage: "session",
  },
  "ca.bundle": { params: schema.bundleParams, carriage: "session" },
  "node.rehearse-now": { params: schema.rehearsalParams, carriage: "session" },
  "node.renew-now": { params: schema.renewNowParams, carriage: "session" },
  "audit.head": { params: schema.auditHead, carriage: "session" },
  "drill.number": { params: schema.drillParams, carriage: "session" },
} as const satisfies Readonly<Record<string, Pick<Row, "params" | "carriage">>>;

/** Name of a method. */
export type Method = keyof typeof METHODS;
/** Parsed parameters of a method. */
export type Params<M extends Method> = z.infer<(typeof METHODS)[M]["params"]>;
/** Result of a method. */
export type Result<M extends Method> = z.infer<(typeof METHODS)[M]["result"]>;
/** Name of a push. */
export type Push = keyof typeof PUSHES;
/** Parsed parameters of a push. */
export type PushParams<P extends Push> = z.infer<(typeof PUSHES)[P]["params"]>;

/** Whether a text from the wire names a method. */
export function isMethod(name: string): name is Method {
  return Object.hasOwn(METHODS, name);
}

/** Whether a text from the wire names a push. */
export function isPush(name: string): name is Push {
  return Object.hasOwn(PUSHES, name);
}

/**
 * Parses what came over the wire into what its schema promises.
 *
 * @throws {SwarmdError} `bad-message`, naming the field, never its value
 */
export function parseAs<T extends z.ZodMiniType>(
  type: T,
  { value, what }: { readonly value: unknown; readonly what: string },
): z.infer<T> {
  const parsed = z.safeParse(type, value ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "the whole";
  throw new SwarmdError(
    "bad-message",
    `Cannot read ${what}: ${field} is not as the protocol says (${
      issue?.code ?? "invalid"
    })`,
    { verdict: "stop" },
  );
}
