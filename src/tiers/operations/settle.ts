import { sleep, type World } from "../../world.ts";

/** How long a child without operations may take for its first valid answer after a discovery was accepted. */
const SEED_DISCOVERY_MS = 30_000;
const RETRY_MS = 500;

/**
 * Runs `attempt` once, or for a child that knows no operations again until it succeeds: such a child is done with a
 * discovery by its first valid answer that was asked for afterwards. Throws what the last attempt threw.
 */
export async function settle(world: World, hasOperations: boolean, attempt: () => Promise<void>): Promise<void> {
  const until = world.monotonic() + SEED_DISCOVERY_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (hasOperations || world.monotonic() > until) throw error;
      await sleep(world, RETRY_MS);
    }
  }
}
