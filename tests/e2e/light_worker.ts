import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { systemCrypto } from "../../lib/net/system.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { anyId, newSession, type RawAnswer, RawPeer } from "./raw_peer.ts";
import { type ClientPair, dialDeno } from "./raw_tls.ts";

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
 * joins, holds a session, beats, and renews when it is told to.
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
  #ended = false;

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

  /** How often its connection ended though it did not want that. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Renews as a worker does: key, request, certificate, new connection, and
   * the session moved to it. How long that took, in milliseconds.
   */
  async renew(): Promise<number> {
    const started = performance.now();
    const key = await newKey();
    const before = this.#peer;
    const params = { csr: key.csr };
    const answer = resultOf(
      await before.ask("node.renew", params, { n: ++this.#sent }),
    );
    this.#pair = { cert: pemOf(answer), key: key.pem };
    const next = new RawPeer(
      await dialDeno({ ...this.#place, pair: this.#pair }),
    );
    const lastSeen = before.lastNumber;
    const session = { ...this.#session, resume: true, lastSeen };
    resultOf(await next.hello({ session }));
    const took = performance.now() - started;
    this.#peer = next;
    this.#listen(next);
    await before[Symbol.asyncDispose]();
    return took;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#beat);
    await this.#peer[Symbol.asyncDispose]();
  }

  #listen(peer: RawPeer): void {
    peer.ended({ timeoutMs: 600_000 }).then(() => {
      if (peer === this.#peer && !this.#ended) this.#lost++;
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
  throw new Error(`Light worker ${anyId()}: ${JSON.stringify(answer)}`);
}
