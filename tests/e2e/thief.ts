import { fromBase64 } from "../../lib/base/bytes.ts";
import { SECOND } from "../../lib/base/time.ts";
import { newId } from "../../lib/base/random.ts";
import { Authorities, type Authority } from "../../lib/manager/authorities.ts";
import { systemCrypto, systemRandom } from "../../lib/net/system.ts";
import type { Bytes } from "../../lib/base/bytes.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { issueLeaf, newSerial, type Role } from "../../lib/pki/profile.ts";
import { openSqliteStore } from "../../lib/store/sqlite.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import type { Cluster } from "./cluster.ts";
import type { ClientPair } from "./raw_tls.ts";
import { copyEntries } from "./tree.ts";

/** What a thief with the authority's key puts into a certificate. */
export interface LeafWish {
  readonly role: Role;
  /** A random one where left out. */
  readonly nodeId?: string;
  /** The authority's own where left out. */
  readonly clusterId?: string;
  /** Milliseconds from now; a minute ago where left out. */
  readonly from?: number;
  /** Milliseconds from now; an hour ahead where left out. */
  readonly until?: number;
}

/**
 * Somebody who has copied database and cluster key of a manager, and so has
 * the authority's own key: can sign whatever the profile allows.
 */
export class Thief {
  readonly #authority: Authority;
  readonly #clusterId: string;

  constructor(authority: Authority, clusterId: string) {
    this.#authority = authority;
    this.#clusterId = clusterId;
  }

  /** Breaks into the state directory of a manager, which may run. */
  static async rob(cluster: Cluster): Promise<Thief> {
    const to = cluster.dir("loot");
    const names = ["swarmd.db", "swarmd.db-wal", "cluster.key"];
    await copyEntries(names, { from: cluster.dir(), to });
    const store = await openSqliteStore(`${to}/swarmd.db`, { create: false });
    try {
      const text = await Deno.readTextFile(`${to}/cluster.key`);
      const [version, key = ""] = text.trim().split(":");
      const keyRing: ReadonlyMap<number, Bytes> = new Map([
        [Number(version), fromBase64(key)],
      ]);
      const parts = { store, keyRing, crypto: systemCrypto };
      const makeSigner = (authority: Authority) =>
        localSigner(systemCrypto, authority);
      const { present } = await Authorities.open({ ...parts, makeSigner });
      return new Thief(present, cluster.id);
    } finally {
      await store.close();
    }
  }

  /** The authority's own certificate, with its key. */
  async root(): Promise<ClientPair> {
    const { root, key } = this.#authority;
    const pkcs8 = await systemCrypto.exportPkcs8(key);
    return {
      cert: encodePem("CERTIFICATE", root.der),
      key: encodePem("PRIVATE KEY", pkcs8),
    };
  }

  /** Signs a certificate of the profile that no record knows. */
  async mint(wish: LeafWish): Promise<ClientPair> {
    const { role, nodeId = newId(systemRandom) } = wish;
    const { from = -60 * SECOND, until = 3_600 * SECOND } = wish;
    const now = Math.floor(Date.now() / SECOND) * SECOND;
    const key = await systemCrypto.generateKey();
    const der = await issueLeaf(systemCrypto, {
      issuer: this.#authority.root,
      issuerKey: this.#authority.key,
      profile: {
        clusterId: wish.clusterId ?? this.#clusterId,
        nodeId,
        role,
        spki: key.spki,
        serial: newSerial(systemRandom),
        notBefore: now + from,
        notAfter: now + until,
        dnsNames: [],
        ipAddresses: role === "manager" ? ["127.0.0.1"] : [],
      },
    });
    const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
    return {
      cert: encodePem("CERTIFICATE", der),
      key: encodePem("PRIVATE KEY", pkcs8),
    };
  }
}

/** What a forger wants a certificate to say. */
export interface ForgeryWish {
  /** OpenSSL's form, such as `/O=x/CN=y`. */
  readonly subject: string;
  /** Subject of the issuer that is claimed. */
  readonly issuer?: string;
  /** Lines of an OpenSSL extension file; none makes a certificate of version 1. */
  readonly extensions?: readonly string[];
}

/** Somebody without any key of the cluster, and with OpenSSL. */
export class Forger implements AsyncDisposable {
  readonly #folder: OpensslFolder;
  #count = 0;

  constructor(folder: OpensslFolder) {
    this.#folder = folder;
  }

  static async start(): Promise<Forger> {
    return new Forger(await OpensslFolder.create());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  get openssl(): OpensslFolder {
    return this.#folder;
  }

  /** A root of any name, as PEM. */
  async root(name: string): Promise<ClientPair> {
    const file = `root${++this.#count}`;
    await this.#folder.run(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj ${name} -keyout ${file}.key -out ${file}.crt`,
    );
    return await this.#pair(file);
  }

  /** A certificate under a root of the forger's own, of whatever name. */
  async forge(wish: ForgeryWish): Promise<ClientPair> {
    return await this.sign(
      await this.root(wish.issuer ?? "/CN=swarm-ca"),
      wish,
    );
  }

  /** A certificate under any root whose key is at hand. */
  async sign(
    root: ClientPair,
    { subject, extensions = [] }: ForgeryWish,
  ): Promise<ClientPair> {
    const file = `forged${++this.#count}`;
    await this.#folder.write(`${file}.ca.crt`, root.cert);
    await this.#folder.write(`${file}.ca.key`, root.key);
    await this.#folder.write(`${file}.ext`, extensions.join("\n"));
    await this.#folder.run(
      `req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj ${subject} -keyout ${file}.key -out ${file}.csr`,
    );
    const extended = extensions.length > 0 ? ` -extfile ${file}.ext` : "";
    await this.#folder.run(
      `x509 -req -in ${file}.csr -CA ${file}.ca.crt -CAkey ${file}.ca.key -days 10 -out ${file}.crt${extended}`,
    );
    return await this.#pair(file);
  }

  /** Writes a pair where OpenSSL's own client finds it; its options. */
  async asOptions(pair: ClientPair): Promise<string[]> {
    const file = `client${++this.#count}`;
    await this.#folder.write(`${file}.crt`, pair.cert);
    await this.#folder.write(`${file}.key`, pair.key);
    const { path } = this.#folder;
    return ["-cert", `${path}/${file}.crt`, "-key", `${path}/${file}.key`];
  }

  async #pair(file: string): Promise<ClientPair> {
    const { path } = this.#folder;
    return {
      cert: await Deno.readTextFile(`${path}/${file}.crt`),
      key: await Deno.readTextFile(`${path}/${file}.key`),
    };
  }
}

/** Extensions of a manager's certificate, as a forger would write them. */
export const MANAGER_EXTENSIONS: readonly string[] = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "extendedKeyUsage=serverAuth,clientAuth",
  "subjectAltName=DNS:swarm-manager,DNS:swarm-ca,IP:127.0.0.1",
];
