import { SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import { createLimiter } from "../limiter.ts";

/** Each lets others in after some 30 ms: so many hold nobody up for long. */
const AT_ONCE = 4;
/** A listener closes what is silent for about twice as long. */
const PATIENCE_MS = 5_000;

/** Does a search in its turn. Throws SinewError unavailable where that does not come in time. */
export type Searching = <T>(work: () => Promise<T>) => Promise<T>;

/** Searches of a conductor through rows that no index has, some at once: whoever may read may ask for any number of them. */
export function createSearching(world: Pick<World, "monotonic">): Searching {
  const inTurn = createLimiter(AT_ONCE);
  return (work) => {
    const asked = world.monotonic();
    return inTurn(async () => {
      if (world.monotonic() - asked > PATIENCE_MS)
        throw new SinewError("unavailable", "too much is looked for at once", { retryAfter: 1 });
      return work();
    });
  };
}
