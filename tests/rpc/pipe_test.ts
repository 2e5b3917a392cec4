import { testConnectionContract } from "../contracts/connection_contract.ts";
import { FakeClock } from "../fakes/clock.ts";
import { pipe } from "../fakes/pipe.ts";

testConnectionContract("a pipe", () => {
  const { near, far } = pipe({ clock: new FakeClock() });
  return Promise.resolve({ near, far, dispose: () => Promise.resolve() });
});
