import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AgentOptions,
  type ConductorOptions,
  createAgent,
  createConductor,
  createDriver,
  type DriverDevice,
  openDatabase,
  realWorld,
  type Tier,
} from "../../src/index.ts";
import { listen } from "../../src/serve.ts";

export const CARD: DriverDevice = {
  uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e",
  acc_specs: { remote: 0, num: 1, device_type: "CRYPTO", acc_capability: { num: 2, ipsec: { aes: { "3des": 50 } } } },
  acc_status: { setup_required: true, reboot_required: false },
};
export const NODE = { id: "11111111-2222-4333-8444-555555555555", name: "lab1" };

/** Says nothing: tests look at what is answered. */
export const quiet = () => realWorld(() => {});

export interface Running<T extends Tier = Tier> {
  tier: T;
  url: string;
  stop(): Promise<void>;
}

async function serve<T extends Tier>(make: (endpoint: string) => Promise<T>, clean = async () => {}) {
  let tier: T | null = null;
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    (request, env) => tier?.fetch(request, env) ?? new Response(null, { status: 503 }),
  );
  tier = await make(listener.endpoint);
  const made = tier;
  await made.start();
  return {
    tier: made,
    url: listener.url,
    async stop() {
      await made.stop();
      await listener.stop({ graceMs: 200 });
      await clean();
    },
  };
}

export const startDriver = (options: { devices?: DriverDevice[]; agent?: string; name?: string } = {}) =>
  serve((endpoint) =>
    createDriver({
      auth: "open",
      name: options.name ?? "crypto",
      type: "CRYPTO",
      discover: async () => options.devices ?? [CARD],
      world: quiet(),
      endpoint,
      agent: options.agent,
    }),
  );

/** An agent with one good driver of its own, `crypto`, unless told otherwise. */
export const startAgent = (options: Partial<AgentOptions> = {}) =>
  serve(async (endpoint) =>
    createAgent({
      auth: "open",
      node: NODE,
      drivers: [
        await createDriver({
          auth: "open",
          name: "crypto",
          type: "CRYPTO",
          discover: async () => [CARD],
          world: quiet(),
        }),
      ],
      world: quiet(),
      endpoint,
      ...options,
    }),
  );

/** A conductor on a database of its own, which `stop` removes. */
export async function startConductor(options: Partial<Omit<ConductorOptions, "db">> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "sinew-conductor-"));
  const db = await openDatabase(`sqlite:${join(folder, "sinew.sqlite")}`);
  return serve(
    (endpoint) => createConductor({ auth: "open", db, world: quiet(), endpoint, ...options }),
    async () => {
      await db.close();
      await rm(folder, { recursive: true });
    },
  );
}

/** Asks until `look` gives something, and fails with what was seen last. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  ms = 15_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resume) => setTimeout(resume, 15));
  }
}
