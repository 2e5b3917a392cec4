import { DAY } from "../../lib/base/time.ts";
import type { AuthoritySource } from "../../lib/manager/authority_source.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import {
  CA_CONSTRAINTS,
  CA_KEY_USAGE,
  subjectKeyId,
} from "../../lib/pki/extension_writer.ts";
import { encodeName } from "../../lib/pki/names.ts";
import { OID } from "../../lib/pki/oids.ts";
import { newSerial } from "../../lib/pki/profile.ts";
import { keyIdOf } from "../../lib/pki/spki.ts";
import { encodeTbs, signed } from "../../lib/pki/tbs.ts";
import type { House } from "./house.ts";

/** An authority of somebody else's, with its key. */
export async function foreignRoot(
  { crypto, random, clock }: House,
  name: string,
): Promise<AuthoritySource> {
  const key = await crypto.generateKey();
  const subject = encodeName([[OID.commonName, name]]);
  const body = encodeTbs({
    serial: newSerial(random),
    issuer: subject,
    notBefore: clock.now() - 400 * DAY,
    notAfter: clock.now() + 4_000 * DAY,
    subject,
    spki: key.spki,
    extensions: [
      CA_CONSTRAINTS,
      CA_KEY_USAGE,
      subjectKeyId(await keyIdOf(crypto, key.spki)),
    ],
  });
  const der = await signed(crypto, { key: key.privateKey, body });
  const anchor = await readCertificate(crypto, der);
  return { anchor, intermediates: [], signs: { key: key.privateKey } };
}

/** Has a house read every authority as what a source gives. */
export function reading(
  house: House,
  source: () => Promise<AuthoritySource>,
): void {
  Object.assign(house, { readAuthority: source });
}

/** What an operator hands over; what it is, the house decides. */
export const AUTHORITY = { certificatesPem: "", keyPem: "" };
