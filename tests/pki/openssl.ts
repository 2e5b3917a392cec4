import { encodePem } from "../../lib/pki/pem.ts";

/** What an OpenSSL command left behind. */
export interface OpensslResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A private folder in which the real OpenSSL works; deleted at the end. */
export class OpensslFolder implements AsyncDisposable {
  readonly path: string;

  /** @param path a folder that it takes over */
  constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<OpensslFolder> {
    return new OpensslFolder(await Deno.makeTempDir({ prefix: "swarmd-pki-" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }

  /** Runs a command, split at spaces, whatever its exit code. */
  async try(command: string): Promise<OpensslResult> {
    const output = await new Deno.Command("openssl", {
      args: command.split(/ +/),
      cwd: this.path,
    }).output();
    const decoder = new TextDecoder();
    return {
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr),
    };
  }

  /** Runs a command that must succeed; gives what it printed. */
  async run(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.try(command);
    if (code === 0) return stdout + stderr;
    throw new Error(`openssl ${command}: exit ${code}: ${stderr}${stdout}`);
  }

  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.path}/${name}`, text);
  }

  async writeCertificates(
    name: string,
    ders: readonly Uint8Array[],
  ): Promise<void> {
    await this.write(
      name,
      ders.map((der) => encodePem("CERTIFICATE", der)).join(""),
    );
  }

  read(name: string): Promise<string> {
    return Deno.readTextFile(`${this.path}/${name}`);
  }
}
