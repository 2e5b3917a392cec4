// deno-lint-ignore-file no-console -- asked by `measureMachine`
import { systemCrypto } from "../../lib/net/system.ts";
import { ownCpuMs } from "./child.ts";

/** Processor time of one check and one signature of P-256, in ms. */
const COUNT = 400;
const key = await systemCrypto.generateKey();
const data = new Uint8Array(400);
const signature = await systemCrypto.sign(key.privateKey, data);
const algorithm = "ecdsa-sha256";
const before = ownCpuMs();
for (let i = 0; i < COUNT; i++) {
  await systemCrypto.verify({ spki: key.spki, algorithm, data, signature });
  await systemCrypto.sign(key.privateKey, data);
}
console.log((ownCpuMs() - before) / COUNT);
