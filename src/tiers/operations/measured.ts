import { PeerError } from "../../client/peer.ts";
import type { Measured, World } from "../../world.ts";

/** Does some work, and tells of it: how long it took, and why it failed; `failed` finds that in what does not throw. */
export async function measured<T>(
  world: Pick<World, "monotonic" | "measure">,
  of: Pick<Measured, "kind" | "source">,
  work: () => Promise<T>,
  failed: () => string | null = () => null,
): Promise<T> {
  const began = world.monotonic();
  const tell = (error: string | null) => world.measure?.({ ...of, seconds: (world.monotonic() - began) / 1000, error });
  try {
    const done = await work();
    tell(failed());
    return done;
  } catch (error) {
    tell(error instanceof PeerError ? error.code : "crashed");
    throw error;
  }
}
