import { timingSafeEqual } from "@std/crypto";
import { type Bytes, fromBase64 } from "../base/bytes.ts";
import { decodeBase36 } from "../base/base36.ts";
import { SwarmdError } from "../base/errors.ts";
import type { ClusterRecord, StandingToken } from "../cluster/cluster.ts";
import type { Store } from "../cluster/store.ts";
import type { Crypto } from "../pki/crypto.ts";
import {
  formatJoinToken,
  proveToken,
  tokenId,
  tokenKey,
} from "../pki/join_token.ts";
import type { Role } from "../pki/profile.ts";
import { rootDigest } from "../pki/root_digest.ts";
import { openValue } from "../pki/sealed.ts";
import { tokenName } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";

/** What the token desk works with. */
export interface TokenParts {
  readonly store: Store;
  readonly crypto: Crypto;
  /** Cluster keys by version. */
  readonly keyRing: ReadonlyMap<number, Bytes>;
}

/** Shows, proves and checks join tokens. */
export class Tokens {
  readonly #parts: TokenParts;

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  /** The standing token of a role, whole. */
  async show(role: Role): Promise<string> {
    const { crypto, keyRing, store } = this.#parts;
    const cluster = store.view(mustCluster);
    const secret = await openValue(crypto, {
      ring: keyRing,
      name: tokenName(role),
      value: cluster.tokens[role].secret,
    });
    const root = fromBase64(cluster.root.certificate);
    return formatJoinToken({ digest: await rootDigest(crypto, root), secret });
  }

  /**
   * Proves to a joiner that this manager knows a token, before the joiner
   * sends it: two clusters may share a corporate root, so the root alone does
   * not say whose secret it is (trust.md §3).
   *
   * @returns `undefined` for a token that is not known here
   */
  async prove(
    id: string,
    challenge: { readonly nonce: Bytes; readonly leafFingerprint: string },
  ): Promise<Bytes | undefined> {
    const token = this.#find(id);
    if (!token) return undefined;
    const key = fromBase64(token.key);
    return await proveToken(this.#parts.crypto, { key, ...challenge });
  }

  /**
   * Checks a secret that a joiner sent.
   *
   * @returns the token's public id
   * @throws {SwarmdError} `token-refused`
   */
  async check(secretText: string): Promise<string> {
    const { crypto } = this.#parts;
    const secret = readSecret(secretText);
    const id = await tokenId(crypto, secret);
    const key = await tokenKey(crypto, secret);
    const token = this.#find(id);
    // The id finds the token, the comparison of the stored hash admits it.
    if (!token || !timingSafeEqual(fromBase64(token.key), key)) throw refused();
    return id;
  }

  #find(id: string): StandingToken | undefined {
    const { tokens }: ClusterRecord = this.#parts.store.view(mustCluster);
    return [tokens.worker, tokens.manager].find((token) => token.id === id);
  }
}

/** 25 digits can say more than 16 bytes hold: then it is no secret of ours. */
function readSecret(text: string): Bytes {
  try {
    return decodeBase36(text, 16);
  } catch (error) {
    if (error instanceof SyntaxError) throw refused();
    throw error;
  }
}

function refused(): SwarmdError {
  return new SwarmdError(
    "token-refused",
    "Cannot join: the token is not valid in this cluster",
    {
      verdict: "stop",
      hint: "Get the present one with `swarmd token show worker`",
    },
  );
}
