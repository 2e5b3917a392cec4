import { SwarmdError } from "../base/errors.ts";
import type { Peer } from "../cluster/admission.ts";
import { type Caller, isMethod, type Method, METHODS } from "./methods.ts";

/**
 * Decides whether a peer may call a method: default deny, by the table.
 *
 * A connection with a previous certificate may only finish what runs: it starts
 * no call, and what its session still carries is not lost.
 *
 * @throws {SwarmdError} `unknown-method`, `anonymous`, `role`, `replaced`, or
 * the reason for which the peer was refused
 */
export function authorize(peer: Peer, name: string): Method {
  if (peer.kind === "refused") {
    throw refusalOf(peer, `Cannot call ${name}: ${peer.message}`);
  }
  if (!isMethod(name)) {
    throw new SwarmdError("unknown-method", `Cannot call "${name}": unknown`, {
      verdict: "stop",
    });
  }
  const callers: readonly Caller[] = METHODS[name].callers;
  if (!callers.includes(callerOf(peer))) throw denied(peer, name);
  const starts = METHODS[name].kind === "request" && name !== "hello";
  if (peer.kind === "node" && peer.certificate === "previous" && starts) {
    throw new SwarmdError(
      "replaced",
      `Cannot call ${name}: this connection presents a replaced certificate, want the current one`,
    );
  }
  return name;
}

/** Where only a new identity helps, it says so. */
function refusalOf(
  { code }: Extract<Peer, { kind: "refused" }>,
  message: string,
): SwarmdError {
  const lasting = code === "unknown-node" || code === "conflict" ||
    code === "removed";
  if (!lasting) return new SwarmdError(code, message);
  return new SwarmdError(code, message, {
    verdict: "rejoin",
    hint: "Let the machine join again, with a token: `swarmd worker join`",
  });
}

function callerOf(peer: Exclude<Peer, { kind: "refused" }>): Caller {
  return peer.kind === "node" ? peer.role : peer.kind;
}

function denied(peer: Peer, method: Method): SwarmdError {
  if (peer.kind === "anonymous") {
    return new SwarmdError(
      "anonymous",
      `Cannot call ${method}: no client certificate, want one of a node`,
      { verdict: "stop" },
    );
  }
  if (peer.kind === "recovering") {
    return new SwarmdError(
      peer.reason,
      `Cannot call ${method}: ${peer.message}`,
    );
  }
  return new SwarmdError(
    "role",
    `Cannot call ${method}: not allowed to this node, which is ${
      peer.kind === "node" ? peer.role : "refused"
    }`,
    { verdict: "stop" },
  );
}
