import type { Bytes } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import type { Crypto } from "../pki/crypto.ts";
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
export const systemCrypto: Crypto = webCrypto(crypto.subtle, randomBytes);

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
