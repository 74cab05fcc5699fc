import { join } from "node:path";
import { z } from "zod";
import { hostOf } from "../../config-values.ts";
import type { Log } from "../../world.ts";
import { fileStore } from "../store.ts";

const Joined = z.object({
  version: z.literal(1),
  /** The conductor's base URL. */
  url: z.string(),
  /** The CA that signs its certificate, PEM; null: no TLS, on loopback or where --insecure allowed it. */
  ca: z.string().nullable(),
  /** The name in its certificate. */
  name: z.string(),
});

/** The conductor that this node has joined. */
export type Joined = Omit<z.infer<typeof Joined>, "version">;

/** How its certificate is checked: by its own CA, for the name that is not its host's. */
export const pinOf = ({ url, ca, name }: { url: string; ca: string; name: string }) =>
  name === hostOf(url) ? { ca } : { ca, serverName: name };

/** What is kept of a join in the state directory: no secret, but what the conductor is known by. */
export function joinedStore(state: string, log: Log) {
  const store = fileStore(join(state, "joined.json"), log);
  return {
    async load(): Promise<Joined | null> {
      const kept = await store.load();
      if (kept === null) return null;
      const parsed = Joined.safeParse(kept);
      if (parsed.success) return parsed.data;
      await store.setAside?.("not what a join leaves");
      return null;
    },
    save: (joined: Joined) => store.save({ version: 1, ...joined }),
  };
}
