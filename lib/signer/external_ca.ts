import { type Bytes, fromHex } from "../base/bytes.ts";
import { isDnsName, parseIp } from "../pki/host_names.ts";

/** Where an external authority is, and which files say how to talk to it. */
export interface ExternalCa {
  readonly protocol: "cfssl";
  /** Where its API begins, without a final `/`: what `/authsign` is added to. */
  readonly url: string;
  /** Signing profile; left out: the authority's default. */
  readonly profile?: string;
  /** PEM of the roots of its HTTPS server. */
  readonly caFile?: string;
  /** The key that authenticates requests, in hexadecimal. */
  readonly authKeyFile?: string;
  /** PEM of a client certificate and of its key. */
  readonly identityFiles?: { readonly cert: string; readonly key: string };
}

const FIELDS = ["protocol", "url", "ca", "profile", "auth-key", "cert", "key"];
const WANT =
  "want protocol=cfssl,url=https://HOST[:PORT],ca=FILE and either auth-key=FILE or cert=FILE,key=FILE, and perhaps profile=NAME";
/** Where cfssl serves its API. */
const API_PATH = "/api/v1/cfssl";
const PROFILE_REGEXP = /^[\w.-]{1,64}$/;

/**
 * Reads `protocol=cfssl,url=…,ca=FILE,…`. No value may hold a comma.
 *
 * @throws {SyntaxError} naming every field that is wrong, but quoting none
 */
export function parseExternalCa(text: string): ExternalCa {
  const { fields, problems } = readFields(text);
  const url = readUrl(fields.get("url"));
  problems.push(...url.problems, ...fieldProblems(fields, url.isHttps));
  if (problems.length > 0) {
    throw new SyntaxError(`${problems.join("; ")}; ${WANT}`);
  }
  const [ca, profile, authKey] = ["ca", "profile", "auth-key"]
    .map((name) => fields.get(name));
  const [cert, key] = [fields.get("cert"), fields.get("key")];
  return {
    protocol: "cfssl",
    url: url.base,
    ...(profile === undefined ? {} : { profile }),
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(authKey === undefined ? {} : { authKeyFile: authKey }),
    ...(cert === undefined || key === undefined
      ? {}
      : { identityFiles: { cert, key } }),
  };
}

/** Shortest key of HMAC-SHA256 that is taken, in bytes: 128 bits. */
const MIN_AUTH_KEY_BYTES = 16;
const MAX_AUTH_KEY_BYTES = 1_024;

/**
 * Reads an authentication key as cfssl's configuration has it: hexadecimal.
 *
 * @throws {SyntaxError} when it is not 16 to 1024 bytes; never quotes it
 */
export function readAuthKey(text: string): Bytes {
  const found = hexOf(text.trim());
  if (
    found && found.length >= MIN_AUTH_KEY_BYTES &&
    found.length <= MAX_AUTH_KEY_BYTES
  ) return found;
  throw new SyntaxError(
    `Cannot read authentication key: want ${MIN_AUTH_KEY_BYTES} to ${MAX_AUTH_KEY_BYTES} bytes in hexadecimal`,
  );
}

function hexOf(text: string): Bytes | undefined {
  try {
    return fromHex(text);
  } catch {
    return undefined; // the cause might quote it
  }
}

interface Fields {
  readonly fields: ReadonlyMap<string, string>;
  readonly problems: string[];
}

function readFields(text: string): Fields {
  const fields = new Map<string, string>();
  const problems: string[] = [];
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? "" : part.slice(equals + 1);
    if (!FIELDS.includes(name)) {
      problems.push(`unknown field ${JSON.stringify(name.slice(0, 40))}`);
    } else if (value === "") problems.push(`field ${name} is empty`);
    else if (fields.has(name)) problems.push(`field ${name} is given twice`);
    else fields.set(name, value);
  }
  return { fields, problems };
}

function fieldProblems(
  fields: ReadonlyMap<string, string>,
  isHttps: boolean,
): string[] {
  const problems: string[] = [];
  const check = (isWrong: boolean, problem: string) => {
    if (isWrong) problems.push(problem);
  };
  const has = (name: string) => fields.has(name);
  check(!has("protocol"), "field protocol is missing");
  check(
    has("protocol") && fields.get("protocol") !== "cfssl",
    "field protocol is not cfssl",
  );
  check(isHttps && !has("ca"), "field ca is missing");
  check(
    has("profile") && !PROFILE_REGEXP.test(fields.get("profile") ?? ""),
    "field profile is not 1 to 64 letters, digits, dots, hyphens or underscores",
  );
  check(has("cert") && !has("key"), "field key is missing beside cert");
  check(has("key") && !has("cert"), "field cert is missing beside key");
  const hasAuth = has("auth-key") || has("cert") || has("key");
  check(!hasAuth, "field auth-key is missing, as are cert and key");
  const tlsOnly = ["ca", "cert", "key"].filter(has);
  check(
    !isHttps && tlsOnly.length > 0,
    `field ${tlsOnly.join(", ")} is of no use without https`,
  );
  return problems;
}

interface ReadUrl {
  readonly base: string;
  readonly isHttps: boolean;
  readonly problems: readonly string[];
}

function readUrl(text: string | undefined): ReadUrl {
  const wrong = (problem: string): ReadUrl => ({
    base: "",
    isHttps: true,
    problems: [`field url ${problem}`],
  });
  if (text === undefined) return wrong("is missing");
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return wrong("is not https://…");
  if (url.username !== "" || url.password !== "") {
    return wrong("holds a user name or password");
  }
  if (url.search !== "" || url.hash !== "") {
    return wrong("has more than a path");
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (!isDnsName(host) && parseIp(host) === undefined) {
    return wrong("names no host");
  }
  // Who listens in between would learn nothing, but could sign nothing either
  if (url.protocol === "http:" && !isLoopback(host)) {
    return wrong("is not https, which only a loopback address need not be");
  }
  const path = url.pathname.replace(/\/(?:authsign|sign|info)?$/, "");
  return {
    base: `${url.origin}${path === "" ? API_PATH : path}`,
    isHttps: url.protocol === "https:",
    problems: [],
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" ||
    (host.startsWith("127.") && parseIp(host) !== undefined);
}
