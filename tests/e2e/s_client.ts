import { within } from "./harness.ts";

/** How one run of `openssl s_client` went. */
export interface SClientRun {
  /** What came over the connection, and what OpenSSL tells of it. */
  readonly output: string;
  readonly code: number;
}

/** One HTTP request over a connection of OpenSSL's own. */
export async function sClientGet(
  port: number,
  path: string,
  options: readonly string[],
): Promise<SClientRun> {
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_client", "-connect", `127.0.0.1:${port}`, "-ign_eof"],
      ...["-alpn", "http/1.1", ...options],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const request =
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const output = child.output();
  await writer.write(new TextEncoder().encode(request)).catch(() => {});
  const { code, stdout, stderr } = await within("openssl s_client", output)
    .finally(() => writer.close().catch(() => {}));
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { output: `${out}${err}`, code };
}

/** The JSON in a response. */
export function bodyOf({ output }: SClientRun): Record<string, never> {
  const [, length = "", rest = ""] =
    /^content-length: (\d+)\r\n[^]*?\r\n\r\n([^]*)/im.exec(output) ?? [];
  return JSON.parse(rest.slice(0, Number(length)));
}

/**
 * A key whose file says the public key of a certificate and whose private half
 * is another: OpenSSL believes the file, and signs what does not verify.
 */
export function wrongKeyFor(certificatePem: string): string {
  const publicKey = publicPointOf(certificatePem);
  const privateKey = crypto.getRandomValues(new Uint8Array(32));
  privateKey[0] = (privateKey[0] ?? 0) & 0x7f; // below the order of the group
  // RFC 5915 §3, with the parameters of P-256
  const der = Uint8Array.of(
    ...[0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20, ...privateKey],
    ...[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ...[0xa1, 0x44, 0x03, 0x42, 0x00, ...publicKey],
  );
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return [
    "-----BEGIN EC PRIVATE KEY-----",
    ...lines,
    "-----END EC PRIVATE KEY-----\n",
  ].join("\n");
}

/** The uncompressed point: 65 bytes behind the name of the curve. */
function publicPointOf(pem: string): Uint8Array {
  const base64 = pem.replaceAll(/-----[^-]+-----|\s/g, "");
  const der = Uint8Array.fromBase64(base64);
  const head = [0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00];
  const at = der.findIndex((_, i) => head.every((b, j) => der[i + j] === b));
  return der.slice(at + head.length, at + head.length + 65);
}
