import { silentLogger } from "../../lib/base/logger.ts";
import { DAY } from "../../lib/base/time.ts";
import { Issuance } from "../../lib/manager/issuance.ts";
import {
  systemClock,
  systemCrypto,
  systemRandom,
} from "../../lib/net/system.ts";
import { createCsr, readCsr } from "../../lib/pki/csr.ts";
import type { Bytes } from "../../lib/base/bytes.ts";
import { issueLeaf, newSerial } from "../../lib/pki/profile.ts";
import { openCluster } from "./cluster.ts";
import { inFlight, ownCpuMs, serveParent } from "./child.ts";

/** CSR in, certificate out; asked by bench `signing`. */

interface Timing {
  readonly wallMs: number;
  readonly cpuMs: number;
}

await using cluster = await openCluster({ leafLifeMs: 90 * DAY });
const { store, authorities, crypto } = cluster;
const { present: authority } = authorities;
const { worker: { id: tokenId } } = cluster.record.tokens;
const issuance = new Issuance({
  store,
  authorities,
  crypto,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  managerNames: { dnsNames: [], ipAddresses: [] },
  clockGuard: { refuse() {} },
});

async function newCsrs(count: number): Promise<Bytes[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const key = await systemCrypto.generateKey();
      return await createCsr(systemCrypto, key);
    }),
  );
}

async function measure(
  asked: Readonly<Record<string, unknown>>,
  one: (csr: Bytes) => Promise<unknown>,
): Promise<Timing> {
  const count = Number(asked["count"]);
  const csrs = await newCsrs(count);
  const startedAt = performance.now();
  const before = ownCpuMs();
  await inFlight({ count, width: Number(asked["width"]) }, (i) => {
    const csr = csrs[i];
    return csr ? one(csr) : Promise.resolve();
  });
  return {
    wallMs: performance.now() - startedAt,
    cpuMs: ownCpuMs() - before,
  };
}

const description = { hostname: "bench", os: "linux", arch: "", version: "" };

async function issueBare(csr: Bytes): Promise<void> {
  const { spki } = await readCsr(crypto, csr);
  const now = Math.floor(systemClock.now() / 1_000) * 1_000;
  await issueLeaf(crypto, {
    issuer: authority.root,
    issuerKey: authority.key,
    profile: {
      spki,
      clusterId: cluster.record.id,
      nodeId: cluster.record.id,
      role: "worker",
      serial: newSerial(systemRandom),
      notBefore: now,
      notAfter: now + DAY,
      dnsNames: [],
      ipAddresses: [],
    },
  });
}

/** What no issue can do without, in this runtime: one check, one signature. */
async function verifyAndSign(): Promise<Timing> {
  const key = await systemCrypto.generateKey();
  const data = new Uint8Array(400);
  const signature = await systemCrypto.sign(key.privateKey, data);
  const startedAt = performance.now();
  const before = ownCpuMs();
  for (let i = 0; i < 500; i++) {
    const { spki } = key;
    const algorithm = "ecdsa-sha256";
    await systemCrypto.verify({ spki, algorithm, data, signature });
    await systemCrypto.sign(key.privateKey, data);
  }
  return {
    wallMs: (performance.now() - startedAt) / 500,
    cpuMs: (ownCpuMs() - before) / 500,
  };
}

await serveParent({}, {
  issuance: (asked) =>
    measure(
      asked,
      (csr) => issuance.join({ csr, tokenId, description, by: "bench" }),
    ),
  bare: (asked) => measure(asked, issueBare),
  crypto: verifyAndSign,
});
issuance.close();
