import { SwarmdError } from "../base/errors.ts";
import type { Peer } from "../cluster/admission.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import {
  answerLocally,
  type LocalAnswer,
  type LocalRequest,
} from "../rpc/local_answer.ts";
import type { RemoteAnswer, RemoteRequest } from "./crl_answer.ts";

/** Where revocation lists are, for anyone. */
const CRL_PATH = "/v1/ca/crl";

/** Who may read every other path. One without a row does not exist. */
const READERS: Readonly<Record<string, "anyone" | "manager">> = {
  "/v1/ca": "anyone",
  "/v1/nodes": "manager",
  "/v1/status": "manager",
};

/** What the HTTP API works with. */
export interface HttpApiParts {
  /** Says who a peer is; the same that nodes' connections go through. */
  identify(facts: PeerFacts): Promise<Peer>;
  /** Answers the operator of this machine: the same data, without asking who. */
  answer(request: LocalRequest): Promise<LocalAnswer>;
  /** Answers who asks for a revocation list. */
  crl(request: RemoteRequest): Promise<RemoteAnswer>;
  /** Told of every refusal, for the log. */
  refused(error: SwarmdError, facts?: PeerFacts): void;
}

/**
 * Answers HTTP clients on the TLS port. Every request is judged anew by the
 * certificates that its connection really presented: a resumed TLS session
 * proves nothing by itself (T1).
 */
export async function answerRemotely(
  request: RemoteRequest,
  parts: HttpApiParts,
): Promise<RemoteAnswer> {
  if (request.path === CRL_PATH) return await parts.crl(request);
  const readers = Object.hasOwn(READERS, request.path)
    ? READERS[request.path]
    : undefined;
  if (readers === "anyone") return await read(request, parts);
  const peer: Peer = request.facts
    ? await parts.identify(request.facts)
    : { kind: "anonymous" };
  const refusal = refusalOf(peer, request.path);
  if (refusal) {
    parts.refused(refusal, request.facts);
    return await answerLocally(request, () => Promise.reject(refusal));
  }
  if (readers === undefined) {
    return await answerLocally(request, () => undefined);
  }
  return await read(request, parts);
}

/** What operators do, they do on the machine itself. */
async function read(
  { method, path }: RemoteRequest,
  { answer }: HttpApiParts,
): Promise<LocalAnswer> {
  if (method === "GET") return await answer({ method, path });
  return await answerLocally({ method, path }, () => undefined);
}

/** Only a manager's current certificate reads what is not for everybody. */
function refusalOf(peer: Peer, path: string): SwarmdError | undefined {
  const what = `Cannot read ${path}`;
  if (peer.kind === "anonymous") {
    return new SwarmdError("anonymous", `${what}: no client certificate`);
  }
  if (peer.kind === "refused") {
    return new SwarmdError(peer.code, `${what}: ${peer.message}`);
  }
  if (peer.kind === "recovering") {
    return new SwarmdError(peer.reason, `${what}: ${peer.message}`);
  }
  if (peer.role === "manager" && peer.certificate !== "previous") {
    return undefined;
  }
  return new SwarmdError("role", `${what}: want the certificate of a manager`);
}
