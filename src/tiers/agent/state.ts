import { z } from "zod";
import { parseEndpoint } from "../../client/endpoint.ts";
import { Hardware, Serial, Source } from "../../contract/hardware.ts";
import type { Log } from "../../world.ts";

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
    }),
  ),
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

/** The stored document, or an empty state for none; one that is not ours is reported, and the agent starts afresh. */
export function readAgentState(document: unknown, log: Log): AgentState {
  const empty: AgentState = { version: 1, drivers: [], devices: [], sources: [], known: [] };
  if (document === null || document === undefined) return empty;
  const parsed = AgentState.safeParse(document);
  if (parsed.success)
    return {
      ...parsed.data,
      drivers: parsed.data.drivers.filter(({ name, endpoint }) => reachable(name, endpoint, log)),
    };
  log("error", "the stored state is not one this version knows; starting without it", {
    problem: parsed.error.issues[0]?.message,
    at: parsed.error.issues[0]?.path.join("/"),
  });
  return empty;
}
