import { OpensslFolder } from "../pki/openssl.ts";
import type { Cluster } from "./cluster.ts";

/** How many certificates lie in a node's two files. */
export interface Holding {
  /** Roots that it trusts. */
  readonly roots: number;
  /** Its leaf, and what it sends with it. */
  readonly chain: number;
}

const BEGIN = "-----BEGIN CERTIFICATE-----";

/**
 * What lay on the disks of some nodes at one moment, by state directory, laid
 * before the real `openssl verify`.
 */
export class Parties implements AsyncDisposable {
  readonly #folder: OpensslFolder;

  constructor(folder: OpensslFolder) {
    this.#folder = folder;
  }

  static async of(
    cluster: Cluster,
    names: readonly string[],
  ): Promise<Parties> {
    const parties = new Parties(await OpensslFolder.create());
    for (const name of names) await parties.add(cluster, { from: name });
    return parties;
  }

  /** Takes a copy of a node's certificates, under another name if wanted. */
  async add(
    cluster: Cluster,
    { from, as = from }: { readonly from: string; readonly as?: string },
  ): Promise<void> {
    // The link is renamed over: through it, two files may be of two identities.
    const at = await Deno.realPath(`${cluster.dir(from)}/certificates`);
    const { path } = this.#folder;
    await Deno.copyFile(`${at}/swarm-root-ca.crt`, `${path}/${as}.root`);
    await Deno.copyFile(`${at}/swarm-node.crt`, `${path}/${as}.chain`);
  }

  async holding(name: string): Promise<Holding> {
    const count = async (kind: string) =>
      (await this.#folder.read(`${name}.${kind}`)).split(BEGIN).length - 1;
    return { roots: await count("root"), chain: await count("chain") };
  }

  /**
   * What OpenSSL says when a party is shown the chain of another one, which
   * may leave out all but its leaf.
   *
   * @returns nothing when it accepts it, the reason otherwise
   */
  async refusal(
    own: string,
    { by, bare = false }: { readonly by: string; readonly bare?: boolean },
  ): Promise<string | undefined> {
    const purpose = by === "manager" ? "sslserver" : "sslclient";
    const { code, stdout, stderr } = await this.#folder.try([
      // Nothing but the node's own file counts as an anchor.
      `verify -x509_strict -no-CApath -no-CAstore -purpose ${purpose}`,
      ...[`-CAfile ${own}.root`, ...bare ? [] : [`-untrusted ${by}.chain`]],
      `${by}.chain`,
    ].join(" "));
    return code === 0 ? undefined : `${stdout}${stderr}`;
  }

  /** Which of these do not accept which, each with the reason. */
  async strangers(names: readonly string[]): Promise<string[]> {
    const refused: string[] = [];
    for (const own of names) {
      for (const by of names) {
        const reason = await this.refusal(own, { by });
        if (reason !== undefined) refused.push(`${own} of ${by}: ${reason}`);
      }
    }
    return refused;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
