import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { systemCrypto } from "../../lib/net/system.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { newSession, type RawAnswer, RawPeer } from "./raw_peer.ts";
import { type ClientPair, dialDeno } from "./raw_tls.ts";

/** A node gets no second certificate within a thousandth of its life, 1 h. */
const REST_MS = 3_700;
/** The shortest pause of a worker before it dials again. */
const DIAL_AGAIN_MS = 100;
/** Most dials for one move. */
const MAX_DIALS = 20;

/** Where light workers go. */
export interface LightPlace {
  /** Address to dial. */
  readonly hostname: string;
  readonly port: number;
  /** PEM of the root. */
  readonly ca: string;
  /** Secret of the token. */
  readonly secret: string;
}

/**
 * A worker without a process of its own, of which hundreds fit into one: it
 * joins, holds a session, beats, and renews when it is told to. Like a real one
 * it renews once at a time, rests after that, dials again when a connection is
 * cut before it is answered, and moves its session before it leaves the old
 * connection. Unlike a real one it takes no for an answer: any refusal throws.
 */
export class LightWorker implements AsyncDisposable {
  readonly nodeId: string;
  readonly #place: LightPlace;
  readonly #session: Record<string, unknown>;
  #pair: ClientPair;
  #peer: RawPeer;
  #sent = 0;
  #beat: ReturnType<typeof setTimeout> | undefined;
  #lost = 0;
  #redials = 0;
  #ended = false;
  #moving: Promise<unknown> | undefined;
  #restsUntil = performance.now() + REST_MS;

  constructor(parts: {
    readonly place: LightPlace;
    readonly nodeId: string;
    readonly pair: ClientPair;
    readonly peer: RawPeer;
    readonly session: Record<string, unknown>;
  }) {
    this.#place = parts.place;
    this.nodeId = parts.nodeId;
    this.#pair = parts.pair;
    this.#peer = parts.peer;
    this.#session = parts.session;
    this.#listen(parts.peer);
    this.#beatAfter(0);
  }

  static async join(place: LightPlace): Promise<LightWorker> {
    const key = await newKey();
    await using stranger = new RawPeer(await dialDeno(place));
    await stranger.hello();
    const description = { hostname: "l", os: "o", arch: "a", version: "0" };
    const { secret } = place;
    const answer = resultOf(
      await stranger.ask("join", { secret, csr: key.csr, description }),
    );
    const pair = { cert: pemOf(answer), key: key.pem };
    const { session } = newSession() as { session: Record<string, unknown> };
    const peer = new RawPeer(await dialDeno({ ...place, pair }));
    resultOf(await peer.hello({ session }));
    const nodeId = String(answer["node"]);
    return new LightWorker({ place, nodeId, pair, peer, session });
  }

  /** How often the connection of its session ended, and not for the next one. */
  get lost(): number {
    return this.#lost;
  }

  /** How often it was cut before its `hello` was answered. */
  get redials(): number {
    return this.#redials;
  }

  /** Whether it may renew: it does not yet, and has rested since the last time. */
  get mayRenew(): boolean {
    return !this.#moving && performance.now() >= this.#restsUntil;
  }

  /**
   * Renews as a worker does: key, request, certificate, new connection, and
   * the session moved to it. How long that took, in milliseconds.
   */
  async renew(): Promise<number> {
    if (!this.mayRenew) throw new TypeError("A worker renews once at a time");
    const started = performance.now();
    this.#moving = this.#renewAndMove();
    try {
      await this.#moving;
    } finally {
      this.#moving = undefined;
      this.#restsUntil = performance.now() + REST_MS;
    }
    return performance.now() - started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#beat);
    await this.#peer[Symbol.asyncDispose]();
  }

  async #renewAndMove(): Promise<void> {
    const key = await newKey();
    const before = this.#peer;
    const answer = resultOf(
      await before.ask("node.renew", { csr: key.csr }, { n: ++this.#sent }),
    );
    this.#pair = { cert: pemOf(answer), key: key.pem };
    this.#peer = await this.#resume(before.lastNumber);
    this.#listen(this.#peer);
    await before[Symbol.asyncDispose]();
  }

  /** A handshake that was cut says nothing of this node: it dials again. */
  async #resume(lastSeen: number): Promise<RawPeer> {
    const session = { ...this.#session, resume: true, lastSeen };
    for (let dials = 1;; dials++) {
      const peer = new RawPeer(
        await dialDeno({ ...this.#place, pair: this.#pair }),
      );
      const answer = await peer.hello({ session });
      if (answer.kind === "result" && isResumed(answer.result)) return peer;
      await peer[Symbol.asyncDispose]();
      if (answer.kind !== "cut" || dials === MAX_DIALS) throw refused(answer);
      this.#redials++;
      await new Promise((resolve) => setTimeout(resolve, DIAL_AGAIN_MS));
    }
  }

  #listen(peer: RawPeer): void {
    peer.ended({ timeoutMs: 600_000 }).then(async () => {
      // The manager lets an old connection go in the turn in which it answers
      // on the new one; which of the two is read first here is chance. A
      // connection that it means to end, it ends with a reason.
      const wasTold = peer.received.includes('"method":"close"');
      await this.#moving?.catch(() => {}); // told by renew()
      if (this.#ended) return;
      if (wasTold || peer === this.#peer) this.#lost++;
    });
  }

  #beatAfter(ms: number): void {
    this.#beat = setTimeout(async () => {
      await this.#peer
        .send({ method: "heartbeat", params: { now: Date.now() } });
      this.#beatAfter(4_000);
    }, ms);
  }
}

async function newKey() {
  const key = await systemCrypto.generateKey();
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  const csr = toBase64(await createCsr(systemCrypto, key));
  return { csr, pem: encodePem("PRIVATE KEY", pkcs8) };
}

function pemOf(answer: Record<string, unknown>): string {
  const [leaf = ""] = answer["chain"] as string[];
  return encodePem("CERTIFICATE", fromBase64(leaf));
}

function resultOf(answer: RawAnswer): Record<string, unknown> {
  if (answer.kind === "result") return answer.result;
  throw refused(answer);
}

function isResumed({ session }: Record<string, unknown>): boolean {
  return (session as { readonly resumed?: unknown } | undefined)?.resumed ===
    true;
}

function refused(answer: RawAnswer): Error {
  return new Error(`Light worker refused: ${JSON.stringify(answer)}`);
}
