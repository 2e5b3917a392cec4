import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Clock, MINUTE, SECOND } from "../base/time.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { LeafProfile } from "../pki/profile.ts";
import type { AuthorityHealth, ExternalSigner } from "../pki/signer.ts";
import {
  type CfsslAuthority,
  CfsslClient,
  type Post,
  REQUEST_MS,
  type SignFault,
} from "./cfssl.ts";

/** Requests to one authority at the same time. */
const MAX_IN_FLIGHT = 8;
/** Requests that wait until an authority has time for them. */
const MAX_WAITING = 1_024;
/** How long an authority that failed comes after all others: at first, at most. */
const REST_MS = { first: 15 * SECOND, most: 10 * MINUTE };
/** Shortest time between two warnings of one authority, in milliseconds. */
const WARN_MS = MINUTE;

/** How a signer of external authorities is made. */
export interface ExternalSignerParts {
  /** In the order in which they are tried; at least one. */
  readonly authorities: readonly CfsslAuthority[];
  /** The certificate whose key all of them hold. */
  readonly issuer: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly post: Post;
  /** For one request to one authority, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number;
}

/**
 * Has certificates signed by the first external authority that can.
 *
 * An authority that failed comes after all others for 15 s, doubling up to
 * 10 minutes with each further failure, and gets one request at a time until
 * one succeeds: so only few requests meet an authority that hangs. A request
 * waits for at most the time of one request until an authority is free, and
 * asks each at most once.
 *
 * An authority that calls the request wrong may be what is wrong itself: the
 * next is asked, and only when all say so the request is refused. Each is
 * reported until it signs again; it rests when another signed what it refused.
 * Else one node with a strange request could have all of them rest.
 */
export function externalSigner(parts: ExternalSignerParts): ExternalSigner {
  return new FailoverSigner(parts);
}

class FailoverSigner implements ExternalSigner {
  readonly issuer: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly choosesMoments = true;
  readonly #parts: ExternalSignerParts;
  readonly #authorities: readonly Authority[];
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiter>();

  constructor(parts: ExternalSignerParts) {
    if (parts.authorities.length === 0) {
      throw new RangeError("Cannot sign without an external authority");
    }
    this.#parts = parts;
    this.issuer = parts.issuer;
    this.intermediates = parts.intermediates;
    this.#authorities = parts.authorities.map((authority) =>
      new Authority(new CfsslClient({ ...parts, authority }), parts)
    );
  }

  async issue(profile: LeafProfile, csr: Bytes): Promise<Bytes> {
    const { clock, timeoutMs = REQUEST_MS } = this.#parts;
    const untried = new Set(this.#authorities);
    const faults: Fault[] = [];
    const until = clock.monotonic() + timeoutMs;
    while (untried.size > 0) {
      const authority = this.#take(untried) ??
        await this.#wait(untried, until - clock.monotonic());
      if (!authority) {
        for (const each of untried) {
          faults.push({ authority: each, fault: "too busy" });
        }
        break;
      }
      untried.delete(authority);
      const outcome = await this.#ask(authority, { profile, csr });
      if (!("leaf" in outcome)) faults.push({ authority, ...outcome });
      else {
        for (const each of faults) if (each.refusesCsr) each.authority.rest();
        return outcome.leaf;
      }
    }
    throw notSigned(faults);
  }

  async check(): Promise<readonly AuthorityHealth[]> {
    await Promise.all(this.#authorities.map((each) => each.probe()));
    this.#handOver();
    return this.health();
  }

  health(): readonly AuthorityHealth[] {
    return this.#authorities.map(({ url, fault }) => ({
      url,
      ...(fault === undefined ? {} : { fault }),
    }));
  }

  /** Takes a place at the first good one; if none is good, at the first. */
  #take(untried: ReadonlySet<Authority>): Authority | undefined {
    const all = [...untried];
    const good = all.filter((each) => each.isGood);
    const authority = (good.length > 0 ? good : all)
      .find((each) => each.isFree);
    authority?.takePlace();
    return authority;
  }

  async #ask(
    authority: Authority,
    { profile, csr }: { readonly profile: LeafProfile; readonly csr: Bytes },
  ) {
    try {
      return await authority.sign(profile, csr);
    } finally {
      this.#handOver();
    }
  }

  /** Gives free places to those who wait. */
  #handOver(): void {
    for (const { untried, end } of this.#waiting) {
      if (!this.#authorities.some((each) => each.isFree)) return;
      const authority = this.#take(untried);
      if (authority) end(authority);
    }
  }

  /** Waits for a place at one of them; nothing when it was in vain. */
  #wait(
    untried: ReadonlySet<Authority>,
    leftMs: number,
  ): Promise<Authority | undefined> {
    if (leftMs <= 0 || this.#waiting.size >= MAX_WAITING) {
      return Promise.resolve(undefined);
    }
    return new Promise((resolve) => {
      const end = (authority?: Authority) => {
        cancel();
        this.#waiting.delete(waiter);
        resolve(authority);
      };
      const waiter = { untried, end };
      const cancel = this.#parts.clock.schedule(leftMs, () => end());
      this.#waiting.add(waiter);
    });
  }
}

/** Why one of the authorities did not sign. */
interface Fault extends SignFault {
  readonly authority: Authority;
}

function notSigned(faults: readonly Fault[]): SwarmdError {
  const why = faults.map(({ authority, fault }) => `${authority.url}: ${fault}`)
    .join("; ");
  const text = `Cannot get a certificate signed: ${why}`;
  return faults.every(({ refusesCsr }) => refusesCsr)
    ? new SwarmdError("csr-refused", text, { verdict: "stop" })
    : new SwarmdError("signer-unavailable", text, {
      data: { isPermanent: faults.every((each) => each.isPermanent) },
    });
}

/** A request that no authority has time for. */
interface Waiter {
  readonly untried: ReadonlySet<Authority>;
  /** With an authority at which it now has a place, or without. */
  readonly end: (authority?: Authority) => void;
}

/** One authority, and how it did so far. */
class Authority {
  readonly #client: CfsslClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #inFlight = 0;
  #failures = 0;
  #retryAt = 0;
  #fault: string | undefined;
  #signFailed = false;
  /** The fault that was logged last, unless it is over. */
  #warnedOf: string | undefined;
  #warnedAt = -Infinity;

  constructor(
    client: CfsslClient,
    { clock, logger }: Pick<ExternalSignerParts, "clock" | "logger">,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#logger = logger;
  }

  get url(): string {
    return this.#client.url;
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  get isFree(): boolean {
    return this.#inFlight < (this.#failures > 0 ? 1 : MAX_IN_FLIGHT);
  }

  /** It did well, or has rested after a failure and may show that it does. */
  get isGood(): boolean {
    if (this.#failures === 0) return true;
    return this.isFree && this.#clock.monotonic() >= this.#retryAt;
  }

  /** Before each {@linkcode sign}, which gives it back. */
  takePlace(): void {
    this.#inFlight++;
  }

  async sign(profile: LeafProfile, csr: Bytes) {
    try {
      const outcome = await this.#client.sign(profile, csr);
      if ("leaf" in outcome) this.#succeeded();
      else {
        this.#report(outcome.fault, { signing: true });
        if (!outcome.refusesCsr) this.rest();
      }
      return outcome;
    } finally {
      this.#inFlight--;
    }
  }

  async probe(): Promise<void> {
    const fault = await this.#client.probe();
    if (fault !== undefined) {
      this.#report(fault, { signing: false });
      this.rest();
    } // It may answer this and still not sign
    else if (!this.#signFailed) this.#succeeded();
  }

  /** From now on it comes after the others, for a while. */
  rest(): void {
    const now = this.#clock.monotonic();
    // Those that were under way when it failed first are the same failure
    if (this.#failures > 0 && now < this.#retryAt) return;
    this.#failures++;
    const rest = REST_MS.first * 2 ** Math.min(this.#failures - 1, 10);
    this.#retryAt = now + Math.min(rest, REST_MS.most);
  }

  #succeeded(): void {
    if (this.#warnedOf !== undefined) {
      this.#logger.info("External authority is back", { url: this.url });
    }
    this.#failures = 0;
    this.#signFailed = false;
    this.#fault = undefined;
    this.#warnedOf = undefined;
  }

  #report(fault: string, { signing }: { readonly signing: boolean }): void {
    this.#fault = fault;
    this.#signFailed ||= signing;
    const now = this.#clock.monotonic();
    if (fault === this.#warnedOf || now - this.#warnedAt < WARN_MS) return;
    this.#warnedOf = fault;
    this.#warnedAt = now;
    this.#logger.warn("External authority is of no use now", {
      url: this.url,
      reason: fault,
    });
  }
}
