import { testConnectionContract } from "../contracts/connection_contract.ts";
import {
  clientCredentials,
  newAuthority,
  serverCredentials,
} from "./certificates.ts";
import { dialer, never, openPair, TestServer } from "./harness.ts";

const authority = await newAuthority();
const server = await serverCredentials(authority);
const client = await clientCredentials(authority);

testConnectionContract("DenoConnection", async () => {
  const pair = await openPair({ server, client });
  const dispose = () => pair.listening.listener.close();
  return { near: pair.client, far: pair.server, dispose };
});

testConnectionContract("NodeConnection of a server", async () => {
  const pair = await openPair({ server, client });
  const dispose = () => pair.listening.listener.close();
  return { near: pair.server, far: pair.client, dispose };
});

testConnectionContract("NodeConnection of a client", async () => {
  const listening = await TestServer.start(server);
  const near = await dialer.dialUnverified(listening.endpoint, never);
  const far = await listening.accepted();
  return { near, far, dispose: () => listening.listener.close() };
});
