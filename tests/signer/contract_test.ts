import { silentLogger } from "../../lib/base/logger.ts";
import { postJson } from "../../lib/net/http_post.ts";
import { systemClock } from "../../lib/net/system.ts";
import { fromHex } from "../../lib/base/bytes.ts";
import type { ImportedCa } from "../../lib/pki/ca_import.ts";
import { externalSigner } from "../../lib/signer/external.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { testSigner } from "../contracts/signer_contract.ts";
import { realCrypto } from "../pki/material.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cfssl, documentedConfig } from "./cfssl.ts";
import { importedCa, newRoot } from "./roots.ts";

testSigner("localSigner()", async () => {
  const { certificate: root, key } = await newRoot();
  const signer = localSigner(realCrypto, { root, key: key.privateKey });
  return { signer, [Symbol.asyncDispose]: () => Promise.resolve() };
});

for (const type of ["rsa:2048", "ed25519", "ec:P-384"]) {
  let made: Promise<ImportedCa> | undefined;
  testSigner(
    `localSigner() of an imported intermediate of ${type}`,
    async () => {
      const { anchor: root, key, intermediates } =
        await (made ??= importedCa(type));
      const authority = { root, key: key.privateKey, intermediates };
      const signer = localSigner(realCrypto, authority);
      return { signer, [Symbol.asyncDispose]: () => Promise.resolve() };
    },
  );
}

testSigner("externalSigner() of cfssl", async () => {
  const folder = await OpensslFolder.create();
  const config = await documentedConfig();
  const root = await newRoot();
  const cfssl = await Cfssl.start(folder, root, { config });
  const signer = externalSigner({
    authorities: [{
      url: `http://127.0.0.1:${cfssl.port}/api/v1/cfssl`,
      profile: "swarmd",
      authKey: fromHex(config.auth_keys.swarmd.key),
      credentials: { rootsPem: "" },
    }],
    issuer: root.certificate,
    intermediates: [],
    crypto: realCrypto,
    clock: systemClock,
    logger: silentLogger,
    post: (request) => postJson(systemClock, request),
  });
  return {
    signer,
    async [Symbol.asyncDispose]() {
      await cfssl.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
});
