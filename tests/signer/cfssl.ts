import { utf8 } from "../../lib/base/bytes.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { freePort } from "./servers.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { type Holder, realCrypto } from "../pki/material.ts";

/** How a real cfssl is started. */
export interface CfsslOptions {
  /** Its configuration. */
  readonly config: unknown;
  /** Serves HTTPS with `server.pem` and `server.key` of the folder. */
  readonly tls?: boolean;
  /** Wants client certificates of `client-ca.pem` of the folder. */
  readonly mutual?: boolean;
  readonly port?: number;
}

/** Most looks at whether it listens, 20 ms apart. */
const LOOKS = 500;

/** A real `cfssl serve` on loopback; ends with its block. */
export class Cfssl implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;

  constructor(port: number, child: Deno.ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(
    folder: OpensslFolder,
    ca: Holder,
    options: CfsslOptions,
  ): Promise<Cfssl> {
    const { config, tls = false, mutual = false } = options;
    const { certificate, key } = ca;
    const pkcs8 = await realCrypto.exportPkcs8(key.privateKey);
    await folder.writeCertificates("ca.pem", [certificate.der]);
    await folder.write("ca.key", encodePem("PRIVATE KEY", pkcs8));
    await folder.write("config.json", JSON.stringify(config));
    const port = options.port ?? freePort();
    const child = new Deno.Command("cfssl", {
      args: [
        "serve",
        "-address=127.0.0.1",
        `-port=${port}`,
        "-ca=ca.pem",
        "-ca-key=ca.key",
        "-config=config.json",
        ...(tls ? ["-tls-cert=server.pem", "-tls-key=server.key"] : []),
        ...(mutual ? ["-mutual-tls-ca=client-ca.pem"] : []),
      ],
      cwd: folder.path,
      stdout: "null",
      stderr: "null",
    }).spawn();
    const server = new Cfssl(port, child);
    await listening(port);
    return server;
  }

  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already
    }
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function listening(port: number): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`cfssl does not listen on port ${port}`);
}

/** The configuration that the documentation tells operators to use. */
export async function documentedConfig(): Promise<CfsslConfig> {
  const url = new URL("../../docs/external-ca.md", import.meta.url);
  const text = await Deno.readTextFile(url);
  const [, json = ""] = /^```json\n(.*?)^```$/ms.exec(text) ?? [];
  return JSON.parse(json);
}

/** The part of a cfssl configuration that tests change. */
export interface CfsslConfig {
  readonly signing: {
    readonly default: SigningProfile;
    readonly profiles: { readonly swarmd: SigningProfile };
  };
  readonly "auth_keys": { readonly swarmd: { readonly key: string } };
}

export interface SigningProfile {
  readonly usages: readonly string[];
  readonly expiry: string;
  readonly backdate?: string;
  readonly "auth_key"?: string;
}

/** Something that no CSR reader accepts. */
export const NO_CSR = utf8("no request");
