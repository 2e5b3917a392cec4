import type { Bytes } from "../base/bytes.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import type { FleetIndex } from "../cluster/fleet_index.ts";
import type { Store } from "../cluster/store.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { Authorities } from "./authorities.ts";
import type { ReadAuthority } from "./authority_source.ts";
import type { Sessions } from "./sessions.ts";

/** What the rotation of the root works with. */
export interface RotationParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly keyRing: ReadonlyMap<number, Bytes>;
  readonly authorities: Authorities;
  readonly sessions: Sessions;
  readonly fleet: FleetIndex;
  /** Id of this manager's node. */
  readonly nodeId: string;
  /** Brings this manager's own certificate and bundle up to the phase. */
  readonly followSelf: () => Promise<void>;
  /** Why that failed the last time; absent, or `undefined`: it did not. */
  readonly ownProblem?: () => string | undefined;
  /** Absent: every root is one of our own. */
  readonly readAuthority?: ReadAuthority;
}
