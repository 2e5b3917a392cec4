import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Bytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { postJson } from "../../lib/net/http_post.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import { systemClock } from "../../lib/net/system.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { LeafProfile } from "../../lib/pki/profile.ts";
import type { CfsslAuthority } from "../../lib/signer/cfssl.ts";
import {
  externalSigner,
  type ExternalSignerParts,
} from "../../lib/signer/external.ts";
import { type Holder, leafProfile, realCrypto } from "../pki/material.ts";
import {
  type CfsslConfig,
  documentedConfig,
  type SigningProfile,
} from "./cfssl.ts";

makeTrustStorePrivate();

export const CONFIG = await documentedConfig();
export const AUTH_KEY = fromHex(CONFIG.auth_keys.swarmd.key);
const NONE = { rootsPem: "" };

/** The documented configuration with another signing profile. */
export function withProfile(change: Partial<SigningProfile>): CfsslConfig {
  const swarmd = { ...CONFIG.signing.profiles.swarmd, ...change };
  return { ...CONFIG, signing: { ...CONFIG.signing, profiles: { swarmd } } };
}

/** The documented configuration without authentication. */
export function open(): CfsslConfig {
  const { auth_key: _, ...swarmd } = CONFIG.signing.profiles.swarmd;
  const { auth_key: __, ...other } = CONFIG.signing.default;
  return { ...CONFIG, signing: { default: other, profiles: { swarmd } } };
}

export function authorityAt(
  port: number,
  change: Partial<CfsslAuthority> = {},
): CfsslAuthority {
  return {
    url: `http://127.0.0.1:${port}/api/v1/cfssl`,
    profile: "swarmd",
    authKey: AUTH_KEY,
    credentials: NONE,
    ...change,
  };
}

export function signerOf(
  ca: Holder,
  authorities: readonly CfsslAuthority[],
  change: Partial<ExternalSignerParts> = {},
) {
  return externalSigner({
    authorities,
    issuer: ca.certificate,
    intermediates: [],
    crypto: realCrypto,
    clock: systemClock,
    logger: silentLogger,
    post: (request) => postJson(systemClock, request),
    ...change,
  });
}

export interface Order {
  readonly profile: LeafProfile;
  readonly csr: Bytes;
}

export async function newOrder(
  change: Partial<LeafProfile> = {},
): Promise<Order> {
  const key = await realCrypto.generateKey();
  const now = Math.floor(Date.now() / 1000) * 1000;
  const profile = await leafProfile({
    spki: key.spki,
    notBefore: now - HOUR,
    notAfter: now + 90 * DAY,
    ...change,
  });
  return { profile, csr: await createCsr(realCrypto, key) };
}

/** The refusal of an order, which holds no secret. */
export async function refusal(
  ca: Holder,
  authorities: readonly CfsslAuthority[],
  change: Partial<ExternalSignerParts> = {},
): Promise<string> {
  const { profile, csr } = await newOrder();
  const signer = signerOf(ca, authorities, change);
  const error = await assertRejects(
    () => signer.issue(profile, csr),
    SwarmdError,
  );
  assertEquals([error.code, error.verdict], ["signer-unavailable", "retry"]);
  for (const { authKey, credentials } of authorities) {
    const shown = Deno.inspect(error);
    if (authKey) assertFalse(shown.includes(toHex(authKey)));
    const [, secret] = credentials.identity?.keyPem.split("\n") ?? [];
    if (secret) assertFalse(shown.includes(secret));
  }
  for (const { url } of authorities) assertStringIncludes(error.message, url);
  return error.message;
}
