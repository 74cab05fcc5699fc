import { z } from "zod";
import { parseEndpoint } from "../../client/endpoint.ts";
import { Hardware, Serial, Source } from "../../contract/hardware.ts";
import type { Log, Store } from "../../world.ts";
import { Expectation } from "./expected/expectation.ts";
import { ANYONE } from "./owner.ts";

/** What an agent keeps: its drivers, their last-good devices, and every device it has known. */
const AgentState = z.object({
  version: z.literal(1),
  drivers: z.array(
    z.object({
      name: z.string(),
      type: z.string().nullable(),
      endpoint: z.string(),
      seed: z.boolean(),
      left: z.boolean(),
      // Those that were kept before there were credentials are anyone's.
      owner: z.string().default(ANYONE),
    }),
  ),
  devices: z.array(Hardware),
  sources: z.array(Source),
  known: z.array(
    z.object({
      uuid: z.string(),
      source: z.string(),
      path: z.string().nullable(),
      ids: z.string().nullable(),
      serials: z.array(Serial),
      first_seen: z.string(),
      last_seen: z.string().nullable().default(null),
    }),
  ),
  expected: Expectation.nullable().default(null),
});
export type AgentState = Omit<z.infer<typeof AgentState>, "devices"> & { devices: Hardware[] };

/** A driver that no call could reach is left out: an agent that starts without it is better than none. */
function reachable(name: string, endpoint: string, log: Log): boolean {
  try {
    parseEndpoint(endpoint);
    return true;
  } catch (error) {
    log("error", "a stored driver is left out", { driver: name, error: String(error) });
    return false;
  }
}

/** What is stored, or an empty state for nothing; a document that is not ours is set aside, never written over. */
export async function loadAgentState(store: Store, log: Log): Promise<AgentState> {
  const document = await store.load();
  const empty: AgentState = { version: 1, drivers: [], devices: [], sources: [], known: [], expected: null };
  if (document === null || document === undefined) return empty;
  const parsed = AgentState.safeParse(document);
  if (parsed.success) {
    const drivers = parsed.data.drivers.filter(({ name, endpoint }) => reachable(name, endpoint, log));
    return { ...parsed.data, drivers };
  }
  const issue = parsed.error.issues[0];
  const why = `not an agent's state of this version (${issue?.path.join("/")}: ${issue?.message})`;
  log("error", "starting without what was remembered", { because: why });
  await store.setAside?.(why);
  return empty;
}
