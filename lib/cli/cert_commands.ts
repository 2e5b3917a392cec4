import { describeError, SwarmdError } from "../base/errors.ts";
import { toHex } from "../base/bytes.ts";
import { formatTime } from "../base/time.ts";
import { readBoundedFile } from "../disk/bounded_file.ts";
import { readIdentity, refuseDamagedIdentity } from "../disk/identity_files.ts";
import { systemCrypto } from "../net/system.ts";
import { type Certificate, readCertificates } from "../pki/certificate.ts";
import { formatName } from "../pki/names.ts";
import { roleOf } from "../pki/profile.ts";
import { type Fact, momentOf } from "./describe.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts } from "./output.ts";

/** Chains are a few kilobytes; system bundles some hundred. */
const MAX_FILE_BYTES = 1024 * 1024;

/** How `cert show` was asked: for a file, or for the node of a directory. */
export type CertShowOptions =
  & Pick<OperatorOptions, "json" | "host">
  & ({ readonly file: string } | Pick<OperatorOptions, "stateDir">);

/** `cert show` */
export async function certShow(options: CertShowOptions): Promise<number> {
  const { host } = options;
  const [leaf, ...chain] = await readFile(options);
  if (!leaf) throw new RangeError("A PEM text without certificates was read");
  const keyDigest = toHex(await systemCrypto.sha256(leaf.spki));
  const shown = { leaf, chain, keyDigest };
  if (options.json) await host.output.json(certificateObject(shown));
  else await host.output.lines(certificateLines(shown, host.now()));
  return 0;
}

interface Shown {
  readonly leaf: Certificate;
  readonly chain: readonly Certificate[];
  /** SHA-256 of the leaf's SubjectPublicKeyInfo. */
  readonly keyDigest: string;
}

async function readFile(options: CertShowOptions): Promise<Certificate[]> {
  const { path, pem } = "file" in options
    ? { path: options.file, pem: await fileText(options.file) }
    : await ownCertificate(options.stateDir);
  try {
    return await readCertificates(systemCrypto, pem);
  } catch (cause) {
    throw new SwarmdError(
      "damaged-state",
      `Cannot show "${path}": ${describeError(cause)}`,
      { verdict: "stop", data: { path } },
    );
  }
}

async function ownCertificate(stateDir: string) {
  const identity = await readIdentity(stateDir);
  if (!identity) {
    await refuseDamagedIdentity(stateDir);
    throw new SwarmdError(
      "not-initialised",
      `Cannot show the certificate of this node: "${stateDir}" holds no identity`,
      {
        verdict: "stop",
        hint: "Name the node's directory with --state-dir, or give a file",
      },
    );
  }
  const { folder, certificatePem: pem } = identity;
  return { path: `${folder}/swarm-node.crt`, pem };
}

async function fileText(path: string): Promise<string> {
  const text = await readBoundedFile(path, MAX_FILE_BYTES);
  if (text !== undefined) return text;
  throw new SwarmdError("not-found", `Cannot show "${path}": no such file`, {
    verdict: "stop",
  });
}

function certificateObject({ leaf, chain, keyDigest }: Shown) {
  const { organization, organizationalUnit, commonName } = leaf.subject;
  return {
    ...short(leaf),
    role: roleOf(organizationalUnit) ?? null,
    node: commonName ?? null,
    cluster: organization ?? null,
    isCa: leaf.isCa,
    dnsNames: leaf.dnsNames,
    ipAddresses: leaf.ipAddresses,
    uris: leaf.uris,
    publicKey256: keyDigest,
    chain: chain.map(short),
  };
}

function short(certificate: Certificate) {
  return {
    subject: formatName(certificate.subject),
    issuer: formatName(certificate.issuer),
    serial: certificate.serial,
    notBefore: formatTime(certificate.notBefore),
    notAfter: formatTime(certificate.notAfter),
    fingerprint256: certificate.fingerprint,
  };
}

function certificateLines(
  { leaf, chain, keyDigest }: Shown,
  now: number,
): string[] {
  const role = roleOf(leaf.subject.organizationalUnit);
  const ours: Fact[] = role === undefined ? [] : [
    ["role", role],
    ["node", leaf.subject.commonName ?? "-"],
    ["cluster", leaf.subject.organization ?? "-"],
  ];
  return formatFacts([
    ["subject", formatName(leaf.subject) || "-"],
    ...ours,
    ["issuer", formatName(leaf.issuer)],
    ["serial", leaf.serial],
    ["not before", momentOf(leaf.notBefore, now)],
    ["not after", momentOf(leaf.notAfter, now)],
    ["key", `${leaf.publicKeyType}, ${leaf.publicKeyBits} bits`],
    ...named("DNS name", leaf.dnsNames),
    ...named("IP address", leaf.ipAddresses),
    ...named("URI", leaf.uris),
    ["SHA-256", leaf.fingerprint],
    ["key SHA-256", keyDigest],
    ...chain.map((each, i): Fact => [
      i === 0 ? "chain" : "",
      `${formatName(each.subject)}, not after ${momentOf(each.notAfter, now)}`,
    ]),
  ]);
}

function named(name: string, values: readonly string[]): Fact[] {
  return values.map((value, i) => [i === 0 ? name : "", value]);
}
