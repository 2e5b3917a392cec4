import type { Bytes } from "../../lib/base/bytes.ts";
import type { Certificate } from "../../lib/pki/certificate.ts";
import type { Crypto, PrivateKey } from "../../lib/pki/crypto.ts";
import {
  authorityKeyId,
  LEAF_CONSTRAINTS,
  LEAF_KEY_USAGE,
  LEAF_PURPOSES,
  subjectAltName,
} from "../../lib/pki/extension_writer.ts";
import { encodeName, type NameAttribute } from "../../lib/pki/names.ts";
import { OID } from "../../lib/pki/oids.ts";
import {
  dnsNamesOf,
  type LeafProfile,
  ouOf,
  uriOf,
} from "../../lib/pki/profile.ts";
import { encodeTbs, signed } from "../../lib/pki/tbs.ts";

/** Who signs, honestly or not. */
export interface Forger {
  readonly root: Certificate;
  readonly key: PrivateKey;
}

/** In what a forged leaf differs from the one of its profile. */
export interface Forgery {
  readonly subject?: readonly NameAttribute[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly uris?: readonly string[];
  /** Replace constraints, key usage and purposes. */
  readonly usages?: readonly Bytes[];
}

/** What a sound leaf says about its use. */
export const SOUND_USAGES = [LEAF_CONSTRAINTS, LEAF_KEY_USAGE, LEAF_PURPOSES];

/** A leaf like the product's, but for what is asked to differ. */
export async function forgeLeaf(
  crypto: Crypto,
  order: Forgery & { readonly profile: LeafProfile; readonly forger: Forger },
): Promise<Bytes> {
  const { profile, forger: { root, key } } = order;
  const body = encodeTbs({
    ...profile,
    issuer: root.subject.der,
    subject: encodeName(order.subject ?? subjectFor(profile)),
    extensions: [
      ...order.usages ?? SOUND_USAGES,
      ...root.subjectKeyId ? [authorityKeyId(root.subjectKeyId)] : [],
      subjectAltName({
        dnsNames: order.dnsNames ?? dnsNamesOf(profile),
        ipAddresses: order.ipAddresses ?? profile.ipAddresses,
        uris: order.uris ?? [uriOf(profile)],
      }),
    ],
  });
  return await signed(crypto, { key, body });
}

/** The subject of a sound leaf. */
export function subjectFor(profile: LeafProfile): NameAttribute[] {
  return [
    [OID.organization, profile.clusterId],
    [OID.organizationalUnit, ouOf(profile.role)],
    [OID.commonName, profile.nodeId],
  ];
}
