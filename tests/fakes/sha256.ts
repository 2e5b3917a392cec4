import { type Bytes, concat } from "../../lib/base/bytes.ts";

/** First 32 bits of the fractional parts of roots of the first primes. */
const K = fractions(64, Math.cbrt);
const START = fractions(8, Math.sqrt);
const schedule = new Int32Array(64);

/**
 * SHA-256 (FIPS 180-4 §6.2) at once instead of on a thread pool, so that a
 * simulation's order of events never depends on the machine. For tests alone.
 */
export function sha256(data: Uint8Array): Bytes {
  const padded = pad(data);
  const words = new DataView(padded.buffer);
  const state = Int32Array.from(START);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) schedule[i] = words.getInt32(at + 4 * i);
    compress(state);
  }
  const digest = new Uint8Array(32);
  const out = new DataView(digest.buffer);
  for (let i = 0; i < 8; i++) out.setInt32(4 * i, state[i] ?? 0);
  return digest;
}

/** HMAC-SHA-256 (RFC 2104 §2). */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const inner = sha256(concat(block.map((byte) => byte ^ 0x36), data));
  return sha256(concat(block.map((byte) => byte ^ 0x5c), inner));
}

function compress(state: Int32Array): void {
  const w = schedule;
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15] ?? 0;
    const y = w[i - 2] ?? 0;
    const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
    const s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    w[i] = ((w[i - 16] ?? 0) + s0 + (w[i - 7] ?? 0) + s1) | 0;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const k = ((K[i] ?? 0) + (w[i] ?? 0)) | 0;
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k) | 0;
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  const sums = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] = (state[i] ?? 0) + (sums[i] ?? 0);
}

function turn(x: number, by: number): number {
  return (x >>> by) | (x << (32 - by));
}

function pad(data: Uint8Array): Bytes {
  const padded = new Uint8Array(((data.length + 72) >> 6) << 6);
  padded.set(data);
  padded[data.length] = 0x80;
  const bits = new DataView(padded.buffer, padded.length - 8);
  bits.setBigUint64(0, BigInt(data.length) * 8n);
  return padded;
}

function fractions(count: number, root: (n: number) => number): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) {
    if (primes.every((p) => n % p !== 0)) primes.push(n);
  }
  return Int32Array.from(primes, (p) => ((root(p) % 1) * 2 ** 32) | 0);
}
