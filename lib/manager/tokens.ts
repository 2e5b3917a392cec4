import { timingSafeEqual } from "@std/crypto";
import { type Bytes, fromBase64, toBase64 } from "../base/bytes.ts";
import { decodeBase36 } from "../base/base36.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import { type ClusterRecord, roleOfToken } from "../cluster/cluster.ts";
import type { CreatedToken } from "../cluster/created_token.ts";
import { tokenRootOf } from "../cluster/root_views.ts";
import type { Store } from "../cluster/store.ts";
import {
  addToken,
  replaceStanding,
  stateOfStanding,
} from "../cluster/tokens.ts";
import type { Crypto } from "../pki/crypto.ts";
import {
  formatJoinToken,
  proveToken,
  tokenId,
  tokenKey,
} from "../pki/join_token.ts";
import type { Role } from "../pki/profile.ts";
import { rootDigest } from "../pki/root_digest.ts";
import { newestKey, openValue, sealValue } from "../pki/sealed.ts";
import { tokenName } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";

/** What the token desk works with. */
export interface TokenParts {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  /** Cluster keys by version. */
  readonly keyRing: ReadonlyMap<number, Bytes>;
}

/** The token that an operator wants. */
export interface TokenOrder {
  readonly role: Role;
  /** How long it is good for, in milliseconds; see `TOKEN_LIFE`. */
  readonly lifeMs: number;
  /** How many nodes it lets in; see `TOKEN_USES`. */
  readonly uses: number;
  /** Host name that the node must have; absent: any. */
  readonly name?: string;
  readonly by: string;
}

const SECRET_BYTES = 16;

/** Makes, shows, proves and checks join tokens. */
export class Tokens {
  readonly #parts: TokenParts;

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  /**
   * The standing token of a role, whole.
   *
   * @throws {SwarmdError} `precondition` when it is disabled
   */
  async show(role: Role): Promise<string> {
    const { crypto, keyRing, store } = this.#parts;
    const cluster = store.view(mustCluster);
    const state = stateOfStanding(cluster.tokens[role]);
    if (state === "disabled") throw disabled(role);
    const secret = await openValue(crypto, {
      ring: keyRing,
      name: tokenName(role),
      value: cluster.tokens[role].secret,
    });
    return await this.#format(secret);
  }

  /**
   * Makes a token. Its secret is in the answer and nowhere else: what is
   * stored is a hash.
   *
   * @throws {SwarmdError} `precondition` when there are too many
   */
  async create(
    { role, lifeMs, uses: usesLeft, name, by }: TokenOrder,
  ): Promise<{ readonly token: string; readonly record: CreatedToken }> {
    const { store, clock } = this.#parts;
    const { secret, ...hashes } = await this.#newSecret();
    const now = clock.now();
    const record: CreatedToken = {
      ...{ ...hashes, role, usesLeft },
      createdAt: now,
      expiresAt: now + lifeMs,
      ...(name !== undefined && { name }),
    };
    await store.update((tx) => addToken(tx, record, { by, now }));
    return { token: await this.#format(secret), record };
  }

  /** Gives a role another standing token; the old one is void at once. */
  async rotate(
    role: Role,
    by: string,
  ): Promise<{ readonly id: string; readonly token: string }> {
    const { store, crypto, clock, keyRing } = this.#parts;
    const { secret: data, ...hashes } = await this.#newSecret();
    const key = newestKey(keyRing);
    const name = tokenName(role);
    const secret = await sealValue(crypto, { key, name, data });
    const now = clock.now();
    const token = { ...hashes, secret, createdAt: now };
    await store.update((tx) => replaceStanding(tx, { role, token, by, now }));
    return { id: token.id, token: await this.#format(data) };
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

  /** Also one that has ended: who proves to hold it is told why it is refused. */
  #find(id: string): Pick<CreatedToken, "key"> | undefined {
    return this.#parts.store.view((view) => {
      const cluster: ClusterRecord = mustCluster(view);
      const role = roleOfToken(cluster, id);
      return role ? cluster.tokens[role] : view.get("token", id);
    });
  }

  async #newSecret() {
    const { crypto, random } = this.#parts;
    const secret = random.bytes(SECRET_BYTES);
    const key = toBase64(await tokenKey(crypto, secret));
    return { secret, key, id: await tokenId(crypto, secret) };
  }

  async #format(secret: Bytes): Promise<string> {
    const { store, crypto } = this.#parts;
    const root = tokenRootOf(store.view(mustCluster));
    const digest = await rootDigest(crypto, fromBase64(root.certificate));
    return formatJoinToken({ digest, secret });
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

function disabled(role: Role): SwarmdError {
  return new SwarmdError(
    "precondition",
    `Cannot show the token: the standing one of the ${role} role is disabled`,
    {
      verdict: "stop",
      hint:
        `Make a new one with \`swarmd token rotate ${role}\`, or one for a while with \`token create\``,
    },
  );
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
