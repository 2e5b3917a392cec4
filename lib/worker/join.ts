import { timingSafeEqual } from "@std/crypto";
import { fromBase64, toBase64, toHex } from "../base/bytes.ts";
import { encodeBase36 } from "../base/base36.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import { DAY } from "../base/time.ts";
import { drawRenewal } from "../cluster/expiry.ts";
import { createCsr } from "../pki/csr.ts";
import type { KeyPair } from "../pki/crypto.ts";
import {
  type JoinToken,
  proveToken,
  tokenId,
  tokenKey,
} from "../pki/join_token.ts";
import { decodePem, encodePem } from "../pki/pem.ts";
import { formatDigest } from "../pki/root_digest.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import type { HelloResult, IssuedResult } from "../rpc/schemas.ts";
import { AnonymousCall } from "./anonymous.ts";
import { readAnswer } from "./answer.ts";
import { type HeldIdentity, toStored } from "./held_identity.ts";
import { MAX_VOID_MANAGERS } from "../cluster/void_managers.ts";
import { dialPinned, fetchRoot } from "./pinned_manager.ts";
import type { PinnedRoot } from "./pinned_root.ts";
import type { WorkerPorts } from "./ports.ts";
import type { WorkerState } from "./state.ts";
import { type Wait, whilePending } from "./while_pending.ts";

/** An unused key older than this is not used any more, in milliseconds. */
const MAX_KEY_AGE = DAY;
/** Length of the challenge to the manager, in bytes. */
const NONCE_BYTES = 32;

/** What a join is made with. */
export interface JoinOrder {
  readonly token: JoinToken;
  /** Tried in this order; at least one. */
  readonly managers: readonly Endpoint[];
  readonly state: WorkerState;
  readonly signal: AbortSignal;
}

/** The key that is asked with. */
interface JoinKey extends KeyPair {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly fingerprint: string;
}

/** What stays the same from one manager address to the next. */
interface Attempt extends JoinOrder {
  readonly tokenId: string;
  /** Resolves when it is on disk. */
  readonly staging: Promise<JoinKey>;
  /** A manager says that an operator decides. */
  readonly pending: Wait["pending"];
}

/**
 * Joins a cluster by token (trust.md §3): the root is checked against the
 * token's digest, the manager proves that it knows the secret, and only then
 * is the secret sent. The key is on disk before it is asked for a certificate,
 * so that a lost answer, a crash or a retry never makes a second node. Where an
 * operator has to approve, it waits for a day.
 *
 * @throws {SwarmdError} of the last manager tried; a refusal ends it at once
 */
export async function join(
  ports: WorkerPorts,
  order: JoinOrder,
): Promise<HeldIdentity> {
  const id = await tokenId(ports.crypto, order.token.secret);
  // Beside the first look at the manager, which needs no key.
  const staging = stageKey(ports, { ...order, tokenId: id });
  const { signal } = order;
  try {
    const ask = (wait: Wait) =>
      joinAny(ports, { ...order, ...wait, tokenId: id, staging });
    return await whilePending(ports, { signal, ask });
  } catch (error) {
    // Only from a verified manager. The next try is with a key of its own.
    if (hasCode(error, "rejected")) await ports.identity.dropStagedKey();
    throw error;
  } finally {
    await Promise.allSettled([staging]); // no write comes after the end
  }
}

async function joinAny(
  ports: WorkerPorts,
  attempt: Attempt,
): Promise<HeldIdentity> {
  let failure: unknown;
  for (const endpoint of attempt.managers) {
    let waited = false;
    // Said again and again; as whom does not change on a connection.
    const pending: Wait["pending"] = (told) => {
      if (!waited) attempt.pending(told);
      waited = true;
    };
    try {
      return await joinAt(ports, { ...attempt, pending }, endpoint);
    } catch (error) {
      attempt.signal.throwIfAborted();
      // All who waited there lost it with this one: each comes after a pause.
      if (waited) throw error;
      // Who answered tells more than who did not.
      if (!failure || isAnswer(error)) failure = error;
      if (error instanceof SwarmdError && error.verdict !== "retry") break;
    }
  }
  throw failure;
}

function isAnswer(error: unknown): boolean {
  return !hasCode(error, "unreachable", "timed-out");
}

/** The key of an earlier try, where machine, token and root are the same. */
async function stageKey(
  ports: WorkerPorts,
  order: JoinOrder & { readonly tokenId: string },
): Promise<JoinKey> {
  const key = await stagedKey(ports, order);
  const fingerprint = toHex(await ports.crypto.sha256(key.spki));
  return { ...key, fingerprint };
}

async function stagedKey(
  ports: WorkerPorts,
  order: JoinOrder & { readonly tokenId: string },
): Promise<KeyPair> {
  const { crypto, identity, clock, machine } = ports;
  const binding = {
    machine: machine.binding,
    token: order.tokenId,
    root: toHex(order.token.digest),
  };
  const staged = await loadStaged(ports, binding);
  if (staged) return staged;
  const createdAt = clock.now();
  const key = await crypto.generateKey();
  const pkcs8 = await crypto.exportPkcs8(key.privateKey);
  const keyPem = encodePem("PRIVATE KEY", pkcs8);
  await identity.saveStagedKey({ keyPem, purpose: "join", createdAt, binding });
  return key;
}

/** Whether a join with this token has a key on the disk: it began, and did not end. */
export async function isJoinStaged(
  ports: WorkerPorts,
  token: JoinToken,
): Promise<boolean> {
  const wanted = {
    token: await tokenId(ports.crypto, token.secret),
    root: toHex(token.digest),
  };
  return await loadStaged(ports, wanted) !== undefined;
}

/** A staged key that cannot be read is worth nothing, and stops nothing. */
async function loadStaged(
  { crypto, identity, clock, machine, logger }: WorkerPorts,
  wanted: { readonly token: string; readonly root: string },
): Promise<KeyPair | undefined> {
  try {
    const staged = await identity.loadStagedKey();
    const usable = staged?.purpose === "join" &&
      Math.abs(clock.now() - staged.createdAt) < MAX_KEY_AGE &&
      staged.binding["token"] === wanted.token &&
      staged.binding["root"] === wanted.root &&
      machine.is(staged.binding["machine"] ?? "");
    const [pkcs8] = usable ? decodePem(staged.keyPem, "PRIVATE KEY") : [];
    return pkcs8 && await crypto.importPkcs8(pkcs8);
  } catch (error) {
    logger.warn("Staged key not usable; making a new one", {
      error: describeError(error),
    });
    return undefined;
  }
}

async function joinAt(
  ports: WorkerPorts,
  attempt: Attempt,
  endpoint: Endpoint,
): Promise<HeldIdentity> {
  const [pinned, key] = await Promise.all([
    fetchRoot(ports, attempt, endpoint),
    attempt.staging,
  ]);
  const at = { endpoint, pinned, key };
  const { answer, hello } = await redeem(ports, attempt, at);
  const held = await readAnswer(ports.crypto, {
    answer,
    key,
    bundle: { roots: [pinned.end.root] },
    expected: { clusterId: hello.cluster, now: ports.clock.now() },
  });
  const { generation } = pinned.end;
  await keep(ports, attempt, { held, hello, endpoint, generation });
  return held;
}

async function redeem(
  ports: WorkerPorts,
  attempt: Attempt,
  at: {
    readonly endpoint: Endpoint;
    readonly pinned: PinnedRoot;
    readonly key: JoinKey;
  },
): Promise<{ answer: IssuedResult; hello: HelloResult }> {
  const { clock, crypto, machine, version, random } = ports;
  const { signal, state: { voidManagers: voids } } = attempt;
  const { endpoint, pinned: { end, clusterId } } = at;
  const dial = { endpoint, end, voids, signal };
  const { connection, judged } = await dialPinned(ports, dial);
  const call = new AnonymousCall(connection, { clock, signal });
  try {
    const nonce = random.bytes(NONCE_BYTES);
    const prove = { token: attempt.tokenId, nonce: toBase64(nonce) };
    const hello = await call.hello(version, prove);
    const { cluster } = hello;
    if (cluster !== judged.clusterId || cluster !== (clusterId ?? cluster)) {
      throw unproven(endpoint);
    }
    await checkProof(ports, attempt, {
      hello,
      nonce,
      leafFingerprint: judged.certificate.fingerprint,
      endpoint,
    });
    const { hostname, os, arch } = machine;
    const params = {
      secret: encodeBase36(attempt.token.secret),
      csr: toBase64(await createCsr(crypto, at.key)),
      description: { hostname, os, arch, version },
    };
    // What is shown is of the key here, whatever a manager says.
    const { fingerprint } = at.key;
    const pending = (node: string) => attempt.pending({ node, fingerprint });
    const answer = await call.call("join", { params, pending });
    return { answer, hello };
  } finally {
    call.close();
  }
}

async function checkProof(
  { crypto }: WorkerPorts,
  attempt: Attempt,
  facts: {
    readonly hello: HelloResult;
    readonly nonce: Uint8Array<ArrayBuffer>;
    readonly leafFingerprint: string;
    readonly endpoint: Endpoint;
  },
): Promise<void> {
  const { hello: { proof }, nonce, leafFingerprint, endpoint } = facts;
  if (proof === undefined) throw tokenRefused();
  const key = await tokenKey(crypto, attempt.token.secret);
  const wanted = await proveToken(crypto, { key, nonce, leafFingerprint });
  if (!timingSafeEqual(fromBase64(proof), wanted)) throw unproven(endpoint);
}

function tokenRefused(): SwarmdError {
  return new SwarmdError(
    "token-refused",
    "Cannot join: the manager does not know this token; nothing secret was sent",
    {
      verdict: "stop",
      hint:
        "The token was rotated or has a typing error: get the present one with `swarmd token show worker`",
    },
  );
}

function unproven(endpoint: Endpoint): SwarmdError {
  return new SwarmdError(
    "manager-unproven",
    `Cannot join: the manager at ${
      formatEndpoint(endpoint)
    } could not prove that it knows the token; nothing secret was sent`,
    { verdict: "stop", hint: "Check that this is the address of your manager" },
  );
}

/** Memory first, then the identity: a kill between the two harms neither. */
async function keep(
  ports: WorkerPorts,
  attempt: Attempt,
  made: {
    readonly held: HeldIdentity;
    readonly hello: HelloResult;
    readonly endpoint: Endpoint;
    readonly generation: number;
  },
): Promise<void> {
  const { held, hello, endpoint, generation } = made;
  const { notAfter } = held.certificate;
  const life = { issuedAt: held.issuedAt, notAfter };
  const voidManagers = attempt.state.voidManagers.slice(-MAX_VOID_MANAGERS);
  await attempt.state.remember(held.nodeId, {
    cluster: held.clusterId,
    rootDigest: formatDigest(attempt.token.digest),
    tokenId: attempt.tokenId,
    binding: ports.machine.binding,
    seeds: attempt.managers.map(formatEndpoint),
    managers: hello.managers,
    last: formatEndpoint(endpoint),
    ...(generation > 0 && { generation }),
    ...(voidManagers.length > 0 && { voidManagers }),
    issuedAt: held.issuedAt,
    renewAt: drawRenewal(life, ports.random),
  });
  await ports.identity.save(toStored(held));
  await ports.identity.dropStagedKey();
}
