import type { Bytes } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import type { Crypto } from "../pki/crypto.ts";
import { withKnownSignatures } from "../pki/known_signatures.ts";
import { webCrypto } from "../pki/web_crypto.ts";

/** Above it `setTimeout` fires at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** The machine's clocks and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule,
};

/** The runtime's cryptographic generator. */
export const systemRandom: Random = {
  bytes: randomBytes,
  uniform: () => {
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
  },
};

/**
 * The runtime's cryptography. The first key or signature of a process costs
 * about 75 ms, on the thread pool: the TLS library seeds its generator from
 * timing jitter. The first TLS connection pays the same on the MAIN thread if
 * it comes first, so make a key early (measured on Deno 2.9.6).
 */
export const systemCrypto: Crypto = webCrypto(crypto.subtle, {
  random: randomBytes,
});

/** Its own chain, roots, cross-signatures and heads are all that a worker sees. */
const WORKER_KNOWS = 64;
/** Every session of a fleet needs one. */
const MANAGER_KNOWS = 16_384;

/**
 * {@linkcode systemCrypto} for a worker: each of the few signatures that it
 * meets again with every identity and bundle is checked once.
 */
export function workerCrypto(): Crypto {
  return withKnownSignatures(systemCrypto, { max: WORKER_KNOWS, by: "bytes" });
}

/**
 * {@linkcode systemCrypto} for whoever hashes all the time: on the spot, in
 * 9 µs for a certificate. To the thread pool and back takes 30 µs, and 120 µs
 * of a core where many wait, as for 64 renewals (Deno 2.9.6). It loads
 * `node:crypto`, which a worker does without. And it checks no signature twice.
 */
export async function serverCrypto(): Promise<Crypto> {
  const { createHash } = await import("node:crypto");
  const plain = webCrypto(crypto.subtle, {
    random: randomBytes,
    sha256: (data) =>
      new Uint8Array(createHash("sha256").update(data).digest()),
  });
  return withKnownSignatures(plain, { max: MANAGER_KNOWS, by: "hash" });
}

function schedule(delayMs: number, callback: () => void): () => void {
  let left = delayMs;
  let timer: ReturnType<typeof setTimeout>;
  const next = () => {
    const step = Math.min(left, MAX_TIMEOUT);
    left -= step;
    timer = setTimeout(left > 0 ? next : callback, step);
  };
  next();
  return () => clearTimeout(timer);
}

function randomBytes(length: number): Bytes {
  const bytes = new Uint8Array(length);
  // One call gives at most 64 KiB (Web Cryptography API §10.1.1)
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}
