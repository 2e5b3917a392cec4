import { toHex } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { crlIssuer } from "../../lib/cli/manager_authority.ts";
import { deny } from "../../lib/cluster/denylist.ts";
import { DenylistIndex } from "../../lib/cluster/denylist_index.ts";
import { RevocationLists } from "../../lib/manager/revocation_lists.ts";
import { systemClock, systemRandom } from "../../lib/net/system.ts";
import { newSerial } from "../../lib/pki/profile.ts";
import { serveParent } from "./child.ts";
import { openCluster } from "./cluster.ts";
import { watched } from "./watched.ts";

/** A denylist, and the revocation lists that are made of it; for bench `crl`. */

/** Entries that are written in one transaction. */
const BATCH = 1_000;

await using cluster = await openCluster({ leafLifeMs: 90 * DAY });
const { store, authorities, crypto, record } = cluster;
const issuers = () =>
  authorities.issuers.map((each) => crlIssuer(crypto, each));
const issuerKeyId = issuers()[0]?.certificate.subjectKeyId ?? "";

async function fill(count: number): Promise<void> {
  const now = systemClock.now();
  for (let left = count; left > 0; left -= BATCH) {
    await store.update((tx) => {
      for (let i = 0; i < Math.min(BATCH, left); i++) {
        deny(tx, {
          issuerKeyId,
          serial: toHex(newSerial(systemRandom)),
          nodeId: record.id,
          reason: i % 2 === 0 ? "removed" : "superseded",
          notAfter: now + HOUR,
          deniedAt: now,
        });
      }
    });
  }
}

/** A list as the first who asks gets it: nothing is kept from the one before. */
async function build() {
  using denylist = new Index();
  const lists = new RevocationLists({
    ...{ store, denylist, crypto, issuers },
    clock: systemClock,
    logger: silentLogger,
  });
  const { result: { der }, ...took } = await watched(() => lists.get());
  return { ...took, bytes: der.length };
}

/** The index of the whole denylist, as a manager's start makes it. */
class Index extends DenylistIndex implements Disposable {
  constructor() {
    super(store);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What no list can do without: one signature over so many bytes. */
async function sign(bytes: number) {
  const tbs = new Uint8Array(bytes);
  const { wallMs, longestMs } = await watched(() =>
    crypto.sign(authorities.present.key, tbs)
  );
  return { wallMs, longestMs };
}

await serveParent({}, {
  fill: ({ count }) => fill(Number(count)),
  build,
  sign: ({ bytes }) => sign(Number(bytes)),
  /** The same watch, while nothing is done. */
  idle: async ({ ms }) => {
    const rest = () =>
      new Promise((resolve) => setTimeout(resolve, Number(ms)));
    const { longestMs } = await watched(rest);
    return { longestMs };
  },
});
