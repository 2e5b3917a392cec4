import { type Bytes, toHex } from "../base/bytes.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Clock, DAY, SECOND, sleep, wholeSeconds } from "../base/time.ts";
import type { DeniedRecord } from "../cluster/denied.ts";
import type { DenylistIndex } from "../cluster/denylist_index.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import type { Certificate } from "../pki/certificate.ts";
import { createCrl } from "../pki/crl.ts";
import type { RevokedCertificate } from "../pki/crl_entries.ts";
import type { Crypto, SignatureAlgorithm } from "../pki/crypto.ts";
import { LEAF_BACKDATE } from "../pki/profile.ts";
import { mustCluster } from "./records.ts";

/** An authority of this cluster. */
export interface CrlIssuer {
  readonly certificate: Certificate;
  /** Absent when its key is not here: it publishes a list of its own. */
  readonly key?: CrlKey;
}

/** The key of an authority, as much of it as this needs. */
export interface CrlKey {
  readonly algorithm: SignatureAlgorithm;
  /** Gives the signature, as certificates carry it. */
  sign(tbs: Bytes): Promise<Bytes>;
}

/** What revocation lists are made with. */
export interface RevocationListParts {
  readonly store: Store;
  readonly denylist: DenylistIndex;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /** The authorities whose leaves are in use, the present one first. */
  issuers(): readonly CrlIssuer[];
}

/** A revocation list as it is published. */
export interface RevocationList {
  readonly der: Bytes;
  /** Entity tag (RFC 9110 §8.8.3), with its quotes. */
  readonly etag: string;
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  /** Milliseconds since 1970. */
  readonly nextUpdate: number;
}

/** How long a list may be relied upon, in milliseconds. */
const LIFE = DAY;
/** When a list that nothing was added to is made anew, in milliseconds. */
const RENEW_AFTER = LIFE / 2;
/** As leaves are: clocks differ, and a list of tomorrow is refused. */
const BACKDATE = LEAF_BACKDATE;
/**
 * Between two builds for one issuer, in milliseconds. At 50,000 entries one
 * takes 0.3 s of a core, and strangers may ask all the time.
 */
const MIN_INTERVAL = 5 * SECOND;

interface Kept {
  readonly list: RevocationList;
  /** Of the denylist that is in it. */
  readonly version: number;
  /** Until when it is good enough whatever changes; monotonic. */
  holdUntil: number;
}

/**
 * The denylist of each issuer as a signed list, made when somebody asks, for
 * those who cannot read the store. What is denied appears in it within 5 s.
 */
export class RevocationLists {
  readonly #parts: RevocationListParts;
  /** By key id of the issuer. */
  readonly #kept = new Map<string, Kept>();
  readonly #building = new Map<string, Promise<RevocationList>>();

  constructor(parts: RevocationListParts) {
    this.#parts = parts;
  }

  /**
   * The list of an issuer, by its subject key id in hex. Default: the present
   * one. Those who ask while it is made share it.
   *
   * @throws {SwarmdError} `not-found` for an authority that is none of this
   * cluster's, `not-supported` for one whose key is not here, `disk` when the
   * number of a new list cannot be stored
   */
  async get(issuerKeyId?: string): Promise<RevocationList> {
    const { certificate, key } = this.#find(issuerKeyId);
    const keyId = keyIdOf({ certificate });
    if (!key) throw keyElsewhere(keyId);
    const kept = this.#kept.get(keyId);
    if (kept && this.#isGood(kept, keyId)) return kept.list;
    let building = this.#building.get(keyId);
    if (!building) {
      building = this.#renew({ certificate, key }, kept);
      this.#building.set(keyId, building);
    }
    return await building;
  }

  #find(keyId: string | undefined): CrlIssuer {
    const issuers = this.#parts.issuers();
    const found = keyId === undefined
      ? issuers[0]
      : issuers.find((issuer) => keyIdOf(issuer) === keyId);
    if (found) return found;
    const which = keyId === undefined ? "" : ` with key id ${keyId}`;
    throw new SwarmdError(
      "not-found",
      `Cannot give a revocation list: there is no authority${which}`,
    );
  }

  #isGood(kept: Kept, keyId: string): boolean {
    const { clock, denylist } = this.#parts;
    if (!this.#isCurrent(kept.list)) return false;
    if (clock.monotonic() < kept.holdUntil) return true;
    const isYoung = clock.now() < kept.list.nextUpdate - LIFE + RENEW_AFTER;
    return isYoung && denylist.versionOf(keyId) === kept.version;
  }

  /** By the wall clock, which may have been set in both directions. */
  #isCurrent({ thisUpdate, nextUpdate }: RevocationList): boolean {
    const now = this.#parts.clock.now();
    return thisUpdate <= now && now < nextUpdate;
  }

  /** A full disk ends new lists, not the one that is still in date. */
  async #renew(
    issuer: Required<CrlIssuer>,
    kept: Kept | undefined,
  ): Promise<RevocationList> {
    const { clock, logger } = this.#parts;
    try {
      return await this.#build(issuer);
    } catch (error) {
      if (!kept || !this.#isCurrent(kept.list)) throw error;
      kept.holdUntil = clock.monotonic() + MIN_INTERVAL;
      logger.warn("Cannot make a new revocation list; the old one stays", {
        reason: describeError(error),
      });
      return kept.list;
    } finally {
      this.#building.delete(keyIdOf(issuer));
    }
  }

  async #build(issuer: Required<CrlIssuer>): Promise<RevocationList> {
    const { clock, crypto, denylist } = this.#parts;
    const keyId = keyIdOf(issuer);
    const now = wholeSeconds(clock.now());
    const [thisUpdate, nextUpdate] = [now - BACKDATE, now + LIFE];
    const number = await this.#nextNumber(now);
    const version = denylist.versionOf(keyId);
    const { der, signature } = await createCrl({
      ...issuer.key,
      issuer: issuer.certificate,
      number,
      thisUpdate,
      nextUpdate,
      revoked: denylist.recordsOf(keyId).values().map((each) =>
        revokedOf(each, now)
      ),
      pause: () => sleep(clock, 0),
    });
    // Of the whole list it would block for 15 ms at 50,000 entries
    const etag = `"${toHex(await crypto.sha256(signature))}"`;
    const holdUntil = clock.monotonic() + MIN_INTERVAL;
    const list = { der, etag, number, thisUpdate, nextUpdate };
    this.#keep(keyId, { list, version, holdUntil });
    return list;
  }

  /** Those of authorities that are gone go. */
  #keep(keyId: string, kept: Kept): void {
    this.#kept.set(keyId, kept);
    const present = new Set(this.#parts.issuers().map(keyIdOf));
    for (const each of this.#kept.keys()) {
      if (!present.has(each)) this.#kept.delete(each);
    }
  }

  /**
   * Seconds of the wall clock, unless that went back: the number must grow over
   * restarts as well (RFC 5280 §5.2.3).
   */
  #nextNumber(now: number): Promise<number> {
    return this.#parts.store.update((tx) => {
      const cluster = mustCluster(tx);
      const next = (cluster.crlNumber ?? 0) + 1;
      const crlNumber = Math.max(now / SECOND, next);
      tx.put("cluster", CLUSTER, { ...cluster, crlNumber });
      return crlNumber;
    });
  }
}

function keyIdOf({ certificate }: Pick<CrlIssuer, "certificate">): string {
  return certificate.subjectKeyId ?? "";
}

function revokedOf(denied: DeniedRecord, now: number): RevokedCertificate {
  const { serial, reason, deniedAt = now } = denied;
  return {
    serial,
    revokedAt: wholeSeconds(deniedAt),
    reason: reason === "removed" ? "cessationOfOperation" : "superseded",
  };
}

function keyElsewhere(keyId: string): SwarmdError {
  return new SwarmdError(
    "not-supported",
    `Cannot sign a revocation list of authority ${keyId}: its key is not here`,
    { verdict: "stop", hint: "Ask the authority itself for its list" },
  );
}
