import {
  type Bytes,
  concat,
  equalBytes,
  fromHex,
  utf8,
} from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { Random } from "../../lib/base/random.ts";
import type {
  Crypto,
  KeyPair,
  PrivateKey,
  SealRequest,
  VerifyRequest,
} from "../../lib/pki/crypto.ts";
import { encodeEcdsa } from "../../lib/pki/ecdsa_signature.ts";
import { readSpki } from "../../lib/pki/spki.ts";
import { hmacSha256, sha256 } from "./sha256.ts";

/** SPKI of a P-256 key (RFC 5480 §2) up to the two coordinates. */
const SPKI_START = fromHex(
  "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
);
/** PKCS#8 of a P-256 key (RFC 5915 §3, without its public key) up to the number. */
export const PKCS8_START = fromHex(
  "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420",
);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** How many promises of all fakes are open; none, between two events. */
export const openPromises = { count: 0 };

/**
 * Cryptography that protects nothing, has the right shapes, answers in the same
 * turn and draws everything from one seed. Who knows a public key can forge.
 */
export class SimCrypto implements Crypto {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  generateKey(): Promise<KeyPair> {
    return settled(() => pairOf(this.#random.bytes(32)));
  }

  importPkcs8(pkcs8: Bytes): Promise<KeyPair> {
    return settled(() => {
      const start = pkcs8.subarray(0, PKCS8_START.length);
      const secret = pkcs8.slice(PKCS8_START.length);
      if (equalBytes(start, PKCS8_START) && secret.length === 32) {
        return pairOf(secret);
      }
      throw damaged("Cannot import private key: it is none of the fake's");
    });
  }

  exportPkcs8(key: PrivateKey): Promise<Bytes> {
    return settled(() => concat(PKCS8_START, own(key).secret));
  }

  sign(key: PrivateKey, data: Bytes): Promise<Bytes> {
    return settled(() => signatureOf(own(key).spki, data));
  }

  verify(request: VerifyRequest): Promise<boolean> {
    return settled(() => {
      const { spki, algorithm, data, signature } = request;
      if (algorithm !== "ecdsa-sha256") return false;
      if (readSpki(spki).type !== "p256") return false;
      return equalBytes(signature, signatureOf(spki, data));
    });
  }

  sha256(data: Bytes): Promise<Bytes> {
    return settled(() => sha256(data));
  }

  hmacSha256(key: Bytes, data: Bytes): Promise<Bytes> {
    return settled(() => hmacSha256(key, data));
  }

  seal({ key, name, data }: SealRequest): Promise<Bytes> {
    return settled(() => {
      const nonce = this.#random.bytes(NONCE_BYTES);
      const covered = covering({ key, name, nonce, data });
      return concat(nonce, covered, tagOf({ key, name, nonce, data }));
    });
  }

  open({ key, name, data }: SealRequest): Promise<Bytes> {
    return settled(() => {
      const nonce = data.subarray(0, NONCE_BYTES);
      const covered = data.subarray(NONCE_BYTES, -TAG_BYTES);
      const opened = covering({ key, name, nonce, data: covered });
      const tag = tagOf({ key, name, nonce, data: opened });
      if (equalBytes(tag, data.subarray(-TAG_BYTES))) return opened;
      throw damaged(`Cannot open "${name}": key, name or bytes are wrong`);
    });
  }
}

/** The public half of a private key of the fake. */
export function spkiOf(pkcs8: Bytes): Bytes {
  return pairOf(pkcs8.slice(PKCS8_START.length)).spki;
}

class SimPrivateKey implements PrivateKey {
  readonly brand = "private-key";
  readonly secret: Bytes;
  readonly spki: Bytes;

  constructor(secret: Bytes, spki: Bytes) {
    this.secret = secret;
    this.spki = spki;
  }
}

/** A promise that is counted while it is open. */
async function settled<T>(work: () => T): Promise<T> {
  openPromises.count++;
  try {
    // As with real cryptography, nothing has happened when the call returns.
    await Promise.resolve();
    return work();
  } finally {
    openPromises.count--;
  }
}

function pairOf(secret: Bytes): KeyPair {
  const x = sha256(concat(utf8("x"), secret));
  const y = sha256(concat(utf8("y"), secret));
  const spki = concat(SPKI_START, x, y);
  return { privateKey: new SimPrivateKey(secret, spki), spki };
}

function own(key: PrivateKey): SimPrivateKey {
  if (key instanceof SimPrivateKey) return key;
  throw new TypeError("Cannot use private key: it is none of the fake's");
}

function signatureOf(spki: Bytes, data: Bytes): Bytes {
  const hash = sha256(concat(spki, data));
  return encodeEcdsa(concat(hash, hash));
}

interface Sealing extends SealRequest {
  readonly nonce: Bytes;
}

/** Covers and uncovers: a key stream, added bit by bit. */
function covering({ key, name, nonce, data }: Sealing): Bytes {
  const covered = new Uint8Array(data);
  for (let at = 0; at < data.length; at += 32) {
    const block = sha256(concat(key, nonce, utf8(`${at} ${name}`)));
    for (let i = 0; i < 32 && at + i < data.length; i++) {
      covered[at + i] = (data[at + i] ?? 0) ^ (block[i] ?? 0);
    }
  }
  return covered;
}

function tagOf({ key, name, nonce, data }: Sealing): Bytes {
  const named = concat(nonce, utf8(`${name}\0`), data);
  return hmacSha256(key, named).slice(0, TAG_BYTES);
}

function damaged(text: string): SwarmdError {
  return new SwarmdError("damaged-state", text, { verdict: "stop" });
}
