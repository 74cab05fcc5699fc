import type { Condition } from "../../../contract/condition.ts";
import type { Expected, SetExpected } from "../../../contract/device/expected.ts";
import { SinewError } from "../../../contract/problem.ts";
import type { World } from "../../../world.ts";
import { conditionOf } from "./condition.ts";
import { type Expectation, learned, risen, type Seen, standing } from "./expectation.ts";

/** What is to be on this node. Each change resolves once it is stored. */
export interface ExpectedHardware {
  show(): Expected;
  /** Takes down what is here now; what is expected may fall by this alone. */
  learn(): Promise<Expected>;
  set(wanted: SetExpected): Promise<Expected>;
  clear(): Promise<void>;
}

interface Keeper extends ExpectedHardware {
  /** To be stored. */
  readonly kept: Expectation | null;
  /** What is said of the node as of `seen`; none where nothing is expected. */
  conditions(seen: Seen): Condition[];
}

/** `store` shows what has changed, and keeps it: rejects where it cannot. */
export function keepExpected(
  initial: Expectation | null,
  options: { world: Pick<World, "now" | "log">; seen: () => Seen; store: () => Promise<void> },
): Keeper {
  const { world, seen, store } = options;
  let kept = initial;
  const now = () => world.now().toISOString();

  function conditions(of: Seen): Condition[] {
    if (kept === null) return [];
    kept = risen(kept, of);
    const before = kept.condition;
    kept.condition = conditionOf(kept, standing(kept, of), now());
    tell(before, kept.condition);
    return [kept.condition];
  }

  /** Whoever reads the log of the night finds it there, too. */
  function tell(before: Condition | null, { status, message }: Condition): void {
    if (before?.status === status && before.message === message) return;
    if (status === "false") world.log("warn", "hardware is missing", { what: message });
    else if (status === "true" && before?.status === "false")
      world.log("info", "the expected hardware is all there again");
  }

  function show(): Expected {
    if (kept === null) return { origin: null, since: null, counts: [], condition: null };
    const counts = standing(kept, seen()).map(({ silent: _, certain: __, ...line }) => line);
    return { origin: kept.origin, since: kept.since, counts, condition: kept.condition };
  }

  async function replace(next: Expectation | null): Promise<void> {
    const before = kept;
    kept = next;
    conditions(seen());
    await store().catch((cause) => {
      kept = before;
      throw new SinewError("unavailable", "what is expected could not be stored", { cause });
    });
  }

  return {
    get kept() {
      return kept;
    },
    conditions,
    show,
    async learn() {
      await replace(learned(seen(), kept, now()));
      return show();
    },
    async set({ counts }) {
      const lines = counts.map(({ count, device_type = null, vendor_id = null, device_id = null }) => ({
        ...{ device_type, vendor_id, device_id, count },
        roll: [],
      }));
      await replace({ origin: "set", since: now(), lines, condition: kept?.condition ?? null });
      return show();
    },
    clear: () => replace(null),
  };
}
