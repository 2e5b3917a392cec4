import type { IdentityPems } from "../../../lib/disk/identity_folders.ts";

/**
 * Three texts in the form of PEM that carry the same tag, so that a test can
 * tell whether files belong together.
 *
 * @param padding bytes by which each text is longer
 */
export function taggedPems(tag: string, padding = 0): IdentityPems {
  const body = btoa(tag + " ".repeat(padding)).replace(/.{64}/g, "$&\n");
  const certificate = pem("CERTIFICATE", body);
  const keyPem = pem("PRIVATE KEY", body);
  return { rootsPem: certificate, certificatePem: certificate, keyPem };
}

/**
 * The tag of three texts.
 *
 * @throws when they do not belong together, or one is cut short
 */
export function tagOf(pems: IdentityPems): string {
  const texts = [pems.rootsPem, pems.certificatePem, pems.keyPem];
  const tags = texts.map((text) => {
    const body = /^-----BEGIN [A-Z ]+-----\n(.+)\n-----END [A-Z ]+-----\n$/s
      .exec(text)?.[1];
    if (body === undefined) throw new Error(`Not a whole text: ${text}`);
    return atob(body.replaceAll("\n", "")).trimEnd();
  });
  const [tag = "", ...others] = tags;
  if (others.some((other) => other !== tag)) {
    throw new Error(`Mixed: ${tags.join(", ")}`);
  }
  return tag;
}

function pem(label: string, body: string): string {
  return `-----BEGIN ${label}-----\n${body.trimEnd()}\n-----END ${label}-----\n`;
}
