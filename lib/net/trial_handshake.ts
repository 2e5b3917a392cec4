import { describeError, SwarmdError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { SECOND } from "../base/time.ts";
import type { Connection, ServerCredentials } from "../rpc/connection.ts";
import { Deadline } from "./deadline.ts";
import { systemClock } from "./system.ts";
import { tlsDialer } from "./tls_client.ts";
import { listenTls } from "./tls_server.ts";

const TIMEOUT_MS = 10 * SECOND;

/**
 * Has this runtime dial itself, both sides with the same manager's certificate:
 * what its TLS does not take is found before anything leans on it.
 * `makeTrustStorePrivate` must have been called before.
 *
 * @throws {SwarmdError} `usage`, to stop, with what TLS says
 */
export async function tryHandshake(
  credentials: ServerCredentials,
): Promise<void> {
  try {
    await meetSelf(credentials);
  } catch (cause) {
    throw new SwarmdError(
      "usage",
      `Cannot use this authority to sign with: TLS does not take its certificates: ${
        describeError(cause)
      }`,
      { verdict: "stop", cause },
    );
  }
}

async function meetSelf(credentials: ServerCredentials): Promise<void> {
  const { promise: accepted, resolve } = Promise.withResolvers<Connection>();
  using deadline = new Deadline({
    clock: systemClock,
    timeoutMs: TIMEOUT_MS,
    timedOut: () => new SwarmdError("timed-out", "No answer in a handshake"),
  });
  const listener = await listenTls({
    listen: { host: "127.0.0.1", port: 0 },
    credentials,
    accept: resolve,
    clock: systemClock,
    logger: silentLogger,
  });
  try {
    const { rootsPem, chainPem, keyPem } = credentials;
    const dialled = await tlsDialer({ clock: systemClock }).dial(
      listener.endpoint,
      { rootsPem, identity: { chainPem, keyPem } },
      new AbortController().signal,
    );
    dialled.destroy();
    (await deadline.run(accepted)).destroy();
  } finally {
    await listener.close();
  }
}
