import type { Peer } from "../client/peer.ts";
import { PeerError } from "../client/peer.ts";
import { sayHello } from "../client/wrangle.ts";
import type { Hello, Registered } from "../contract/hello.ts";
import type { World } from "../world.ts";
import { createClock } from "./clock.ts";

/** Before the first answer the lease is not known: tried again this soon, then with back-off. */
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 20_000;
/** A clean shutdown is over in 5 s, so its last word is short. */
const LEAVING_MS = 1_500;

export interface Upward {
  /** Starts saying hello; resolves at once, the first hello is under way. */
  start(): void;
  /** Something changed that the tier above pulls for: says hello now. */
  announce(): void;
  /** Says LEAVING once and stops. */
  leave(): Promise<void>;
  /** The last answer, null before the first. */
  registered(): Registered | null;
}

/** Registers with the tier above and keeps the lease: every ttl/3 with jitter, a failure again within ttl/3. */
export function createUpward(options: { peer: Peer; hello: () => Hello; world: World }): Upward {
  const { peer, hello, world } = options;
  const clock = createClock(world);
  let registered: Registered | null = null;
  let failures = 0;
  let lastError = "";
  let cancel = () => {};
  let stopped = true;
  let inFlight: Promise<void> | null = null;
  let again = false;

  const schedule = (ms: number) => {
    cancel();
    if (!stopped) cancel = world.timer(ms, () => void say());
  };

  const third = () => ((registered?.lease.ttl_seconds ?? 30) * 1000) / 3;

  async function attempt() {
    try {
      registered = await sayHello(peer, { ...hello(), ...clock.tell() }, Math.max(2_000, third()));
      clock.answered();
      if (failures > 0 || lastError) world.log("info", "registered again", { with: peer.endpoint });
      failures = 0;
      lastError = "";
      // Jitter below the third, never above: the lease counts on it.
      schedule(third() * (0.75 + 0.25 * world.random()));
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      failures += 1;
      // Said once per cause, not once per retry.
      if (error.message !== lastError) world.log("warn", "hello failed, will be retried", { error: error.message });
      lastError = error.message;
      const longest = registered ? third() : LONGEST_RETRY_MS;
      schedule(Math.min(longest, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10)) * (0.5 + 0.5 * world.random()));
    }
  }

  function say(): Promise<void> {
    if (inFlight) {
      // The hello under way may have been written before the change: one more follows it.
      again = true;
      return inFlight;
    }
    cancel();
    inFlight = attempt().finally(() => {
      inFlight = null;
      if (again && !stopped) {
        again = false;
        void say();
      }
    });
    return inFlight;
  }

  return {
    start() {
      stopped = false;
      void say();
    },
    announce() {
      if (!stopped) void say();
    },
    async leave() {
      if (stopped) return;
      stopped = true;
      cancel();
      if (inFlight) await inFlight;
      if (!registered) return;
      try {
        await sayHello(peer, { ...hello(), status: "LEAVING" }, LEAVING_MS);
      } catch (error) {
        world.log("warn", "could not say LEAVING", { error: error instanceof Error ? error.message : String(error) });
      }
    },
    registered: () => registered,
  };
}
