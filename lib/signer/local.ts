import type { Certificate } from "../pki/certificate.ts";
import type { Crypto, PrivateKey } from "../pki/crypto.ts";
import { issueLeaf } from "../pki/profile.ts";
import type { Signer } from "../pki/signer.ts";

/** Signs with a key that this process holds. */
export function localSigner(
  crypto: Crypto,
  authority: {
    readonly root: Certificate;
    readonly key: PrivateKey;
    /** Of an imported authority. Default: none. */
    readonly intermediates?: readonly Certificate[];
  },
): Signer {
  const { root: issuer, key: issuerKey, intermediates = [] } = authority;
  return {
    issuer,
    intermediates,
    issue: (profile) => issueLeaf(crypto, { profile, issuer, issuerKey }),
  };
}
