import { stateDirectory } from "../../config.ts";
import { Exit } from "../exit.ts";
import { hostFacts } from "../host/facts.ts";
import { readAddress } from "./address.ts";
import { call } from "./call.ts";
import { WHERE_OPTIONS, type Where } from "./way.ts";

/** What every command takes that is about this node alone. */
export const AGENT_OPTIONS: typeof WHERE_OPTIONS = WHERE_OPTIONS.map(([flag, help]) =>
  flag.startsWith("--url ")
    ? [flag, "the agent to ask (default: the one that runs in the state directory, alone or under --role all)"]
    : [flag, help],
);

/** Asks the agent of this node as its operator. Throws Exit. */
export async function callAgent(
  where: Where,
  request: { method?: string; path: string; body?: unknown },
): Promise<{ status: number; body: unknown }> {
  if (where.url !== undefined) return call(where, request);
  const state = stateDirectory(where.state, process.env, hostFacts());
  const alone = await readAddress(state, "agent");
  if (alone !== null) return call({ ...where, url: alone }, request);
  const all = await readAddress(state, "conductor");
  if (all === null) {
    throw new Exit(1, `no agent is running in ${state}; --url says where one is, --state which directory is meant`);
  }
  // Under --role all the agent hangs below the conductor.
  return call({ ...where, url: all }, { ...request, path: `/agent${request.path}` });
}
