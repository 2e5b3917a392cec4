import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, SECOND, sleep } from "../base/time.ts";
import type { RootRecord } from "../cluster/root_record.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { AuthorityHealth, ExternalSigner } from "../pki/signer.ts";
import { type ExternalAuthority, openExternal } from "./authority_source.ts";

/** How often authorities are looked at, in milliseconds. */
const PROBE_MS = 30 * SECOND;

/** Makes a signer of authorities elsewhere. */
export type MakeExternalSigner = (parts: {
  /** The certificate whose key all of them hold. */
  readonly issuer: Certificate;
  readonly authorities: readonly ExternalAuthority[];
}) => ExternalSigner;

/** What they are made with. */
export interface ExternalSignersParts {
  readonly crypto: Crypto;
  readonly keyRing: ReadonlyMap<number, Bytes>;
  /** Absent: there are none. */
  readonly makeExternalSigner?: MakeExternalSigner;
}

/** The signers whose keys are elsewhere, by the certificate of their root. */
export class ExternalSigners {
  readonly #parts: ExternalSignersParts;
  /** By DER, base64. */
  readonly #signers = new Map<string, ExternalSigner>();
  #opened = Promise.withResolvers<void>();

  constructor(parts: ExternalSignersParts) {
    this.#parts = parts;
  }

  /** @throws {SwarmdError} `damaged-state`, `not-supported` */
  async open(root: RootRecord, issuer: Certificate): Promise<void> {
    if (!root.external || this.#signers.has(root.certificate)) return;
    (await this.prepare(root, issuer))();
  }

  /**
   * Makes the signers of a root, also where it has some.
   *
   * @returns what has them used from now on
   * @throws {SwarmdError} `damaged-state`, `not-supported`
   */
  async prepare(root: RootRecord, issuer: Certificate): Promise<() => void> {
    const { crypto, keyRing, makeExternalSigner: make } = this.#parts;
    if (!make) throw notHere();
    const authorities = await openExternal(crypto, root, keyRing);
    const signer = make({ issuer, authorities });
    return () => {
      this.#signers.set(root.certificate, signer);
      this.#opened.resolve();
    };
  }

  get(certificate: string): ExternalSigner | undefined {
    return this.#signers.get(certificate);
  }

  /** Drops those of all other roots. */
  keep(certificates: ReadonlySet<string>): void {
    for (const certificate of this.#signers.keys()) {
      if (!certificates.has(certificate)) this.#signers.delete(certificate);
    }
  }

  /** How they are, as far as is known. */
  health(): readonly AuthorityHealth[] {
    return [...this.#signers.values()].flatMap((each) => each.health());
  }

  /** Looks at all of them now and every 30 s, until the signal is aborted. */
  async watch(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const signers = [...this.#signers.values()];
      await Promise.all(signers.map((each) => each.check()));
      if (signers.length > 0) await sleep(clock, PROBE_MS, signal);
      else await this.#untilOpened(signal);
    }
  }

  /** Most clusters have none: nothing ticks there. */
  async #untilOpened(signal: AbortSignal): Promise<void> {
    const stop = () => this.#opened.resolve();
    signal.addEventListener("abort", stop, { once: true });
    await this.#opened.promise;
    signal.removeEventListener("abort", stop);
    this.#opened = Promise.withResolvers<void>();
  }
}

function notHere(): SwarmdError {
  return new SwarmdError(
    "not-supported",
    "Cannot sign: the authority is elsewhere, and this program was made without",
    { verdict: "stop" },
  );
}
