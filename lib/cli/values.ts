import { SwarmdError } from "../base/errors.ts";
import { formatDuration, parseDuration } from "../base/time.ts";
import { HOST_NAME_REGEXP } from "../cluster/created_token.ts";
import { isDnsName, parseIp } from "../pki/host_names.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { parseEndpoint } from "../rpc/endpoint.ts";

/** A kind of value on the command line. */
export interface Value<T> {
  /** What stands for it in a synopsis, such as `PATH`. */
  readonly placeholder: string;
  /** The only values that there are. */
  readonly choices?: readonly string[];
  /** @throws {SyntaxError} whose text says what was wanted */
  read(text: string): T;
}

/** An address that others are told; without a port, the one listened on. */
export interface AdvertisedAddress {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port?: number;
}

/** Any text that is not empty. */
export function text(placeholder: string): Value<string> {
  return {
    placeholder,
    read(given) {
      if (given === "") throw new SyntaxError("want a text that is not empty");
      return given;
    },
  };
}

/** One of a few words. */
export function choice<T extends string>(
  placeholder: string,
  choices: readonly T[],
): Value<T> {
  return {
    placeholder,
    choices,
    read(given) {
      const found = choices.find((each) => each === given);
      if (found === undefined) {
        throw new SyntaxError(`want ${oneOf(choices)}`);
      }
      return found;
    },
  };
}

/** Choices as words: `a, b or c`. */
export function oneOf(choices: readonly string[]): string {
  const all = choices.join(", ");
  const last = all.lastIndexOf(", ");
  return last < 0 ? all : `${all.slice(0, last)} or ${all.slice(last + 2)}`;
}

/** A whole number within bounds. */
export function integer(
  placeholder: string,
  { min, max }: { readonly min: number; readonly max: number },
): Value<number> {
  return {
    placeholder,
    read(given) {
      const number = /^\d{1,15}$/.test(given) ? Number(given) : NaN;
      if (!(number >= min && number <= max)) {
        throw new SyntaxError(`want a whole number from ${min} to ${max}`);
      }
      return number;
    },
  };
}

/** A time span such as `90d` or `1h30m`, within bounds; read as milliseconds. */
export function duration(
  placeholder: string,
  { min, max }: { readonly min: number; readonly max: number },
): Value<number> {
  return {
    placeholder,
    read(given) {
      const ms = parseDuration(given);
      if (ms < min || ms > max) {
        throw new SyntaxError(
          `want ${formatDuration(min)} to ${formatDuration(max)}`,
        );
      }
      return ms;
    },
  };
}

/** A switch, in words. */
export const onOff: Value<boolean> = {
  placeholder: "on|off",
  choices: ["on", "off"],
  read(given) {
    if (given === "on" || given === "off") return given === "on";
    throw new SyntaxError("want on or off");
  },
};

/** What a machine may call itself. */
export const hostName: Value<string> = {
  placeholder: "NAME",
  read(given) {
    if (HOST_NAME_REGEXP.test(given)) return given;
    throw new SyntaxError("want a host name such as edge-7");
  },
};

/**
 * The beginning of a key's fingerprint, in lower-case hex: of few digits,
 * anybody makes a key that has them.
 */
export const keyFingerprint: Value<string> = {
  placeholder: "PREFIX",
  read(given) {
    const digits = given.toLowerCase().replace(/^sha256:/, "")
      .replaceAll(":", "");
    if (/^[0-9a-f]{8,64}$/.test(digits)) return digits;
    throw new SyntaxError("want 8 to 64 hex digits");
  },
};

const WANT_ENDPOINT =
  "want HOST:PORT such as 10.0.0.5:2377, manager.example.org:2377 or [2001:db8::5]:2377";
const WANT_HOST =
  "want HOST or HOST:PORT such as 10.0.0.5, manager.example.org:2377 or [2001:db8::5]:2377";
const WILDCARD_REGEXP = /^0\.0\.0\.0$|^[0:]+$/;

/** Where others are reached: a host and a port from 1. */
export const peerEndpoint: Value<Endpoint> = {
  placeholder: "HOST:PORT",
  read(given) {
    const endpoint = knownEndpoint(given);
    if (!endpoint) throw new SyntaxError(WANT_ENDPOINT);
    return refuseUnreachable(endpoint);
  },
};

/** Where to listen: a host or a wildcard address, and a port; 0 is any free. */
export const listenEndpoint: Value<Endpoint> = {
  placeholder: "HOST:PORT",
  read(given) {
    const endpoint = knownEndpoint(given);
    if (!endpoint) throw new SyntaxError(WANT_ENDPOINT);
    return endpoint;
  },
};

/** What others are told: a host, with or without a port. */
export const advertisedAddress: Value<AdvertisedAddress> = {
  placeholder: "HOST[:PORT]",
  read(given) {
    const endpoint = knownEndpoint(given);
    if (endpoint) return refuseUnreachable(endpoint);
    const { host } = knownEndpoint(`${given}:1`) ?? {};
    if (host === undefined) throw new SyntaxError(WANT_HOST);
    refuseUnreachable({ host, port: 1 });
    return { host };
  },
};

/**
 * Reads a value, naming the option or argument that it was given to.
 *
 * @throws {SwarmdError} `usage`
 */
export function readValue<T>(
  value: Value<T>,
  { name, given }: { readonly name: string; readonly given: string },
): T {
  try {
    return value.read(given);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const wanted = cause.message.replace(/^Cannot read .*: (?=want )/s, "");
    throw new SwarmdError(
      "usage",
      `Cannot read ${name} "${given}": ${wanted}`,
      { verdict: "stop" },
    );
  }
}

function knownEndpoint(given: string): Endpoint | undefined {
  const endpoint = parseEndpoint(given);
  return endpoint && isHost(endpoint.host) ? endpoint : undefined;
}

/** A name or an address. Four numbers with dots are an address or nothing. */
function isHost(host: string): boolean {
  if (parseIp(host) !== undefined) return true;
  return isDnsName(host) && !/^[\d.]+$/.test(host);
}

function refuseUnreachable(endpoint: Endpoint): Endpoint {
  if (WILDCARD_REGEXP.test(endpoint.host)) {
    throw new SyntaxError("want an address that others reach, not a wildcard");
  }
  if (endpoint.port === 0) throw new SyntaxError("want a port from 1 on");
  return endpoint;
}
