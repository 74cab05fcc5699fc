import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgent, createConductor, createDriver, openDatabase, type Tier } from "../../src/index.ts";
import { CARD, NODE, quiet } from "../support/tiers.ts";

export interface Tiers {
  driver: Tier;
  agent: Tier;
  conductor: Tier;
  close(): Promise<void>;
}

/** The three tiers in one process: requests go to `tier.fetch`, the conductor asks the agent the same way. */
export async function makeTiers(): Promise<Tiers> {
  const folder = await mkdtemp(join(tmpdir(), "sinew-routes-"));
  const db = await openDatabase(`sqlite:${join(folder, "sinew.sqlite")}`);
  // Only the agent answers, under this name; nothing leaves the process.
  const world = {
    ...quiet(),
    resolve: async () => ["127.0.0.1"],
    fetch: async (url: string, init?: RequestInit): Promise<Response> => {
      if (!url.startsWith("http://agent.test:1337/")) throw new Error("unreachable");
      return agent.fetch(new Request(url, init));
    },
  };
  const second = { ...CARD, uuid: "9e45a2ea-5364-4b0d-a252-bf8becaa606e", name: "second" };
  const make = () =>
    createDriver({
      auth: "open",
      name: "crypto",
      type: "CRYPTO",
      discover: async () => [CARD, second],
      world: quiet(),
      node: NODE,
    });
  const driver = await make();
  // The second reports a card of the first: one uuid from two sources.
  const twin = await createDriver({
    auth: "open",
    name: "twin",
    type: "CRYPTO",
    discover: async () => [CARD],
    world: quiet(),
  });
  const agent: Tier = await createAgent({ auth: "open", node: NODE, drivers: [await make(), twin], world });
  const conductor = await createConductor({ auth: "open", db, world });
  await Promise.all([driver.start(), agent.start(), conductor.start()]);
  return {
    driver,
    agent,
    conductor,
    async close() {
      await Promise.all([driver.stop(), agent.stop(), conductor.stop()]);
      await db.close();
      await rm(folder, { recursive: true });
    },
  };
}

export const ask = async (tier: Tier, path: string, init?: RequestInit) =>
  tier.fetch(new Request(`http://localhost${path}`, init), { remoteAddress: "127.0.0.1" });

/** POST with a JSON body. */
export const post = (tier: Tier, path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(tier, path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
