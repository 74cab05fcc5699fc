import type { Limits } from "../client/wrangle.ts";
import type { Database } from "../db/database.ts";
import { cachedByRevision } from "../routes/cache.ts";
import { conductorApp } from "../routes/tiers.ts";
import { createConductorTier } from "../tiers/conductor/conductor.ts";
import type { DialOptions } from "../tiers/greeting.ts";
import type { Tier } from "../tiers/tier.ts";
import { realWorld } from "../world.ts";
import { mount, mountOf, quietLog, type TierOptions } from "./mount.ts";

export interface ConductorOptions extends TierOptions, DialOptions {
  /** From `openDatabase`; the caller closes it after `stop()`. */
  db: Database;
  leaseSeconds?: number | null;
  limits?: Partial<Limits>;
  /** Tiers of this process to serve below, by path: `{ "/agent": agent }`. */
  mounts?: Record<string, Tier>;
  /** What /readyz waits for besides its own start. */
  ready?: () => boolean;
}

/** The fleet: wrangles its agents and keeps the database right. */
export async function createConductor(options: ConductorOptions): Promise<Tier> {
  const { db, world = realWorld(quietLog), mounts = {}, ready = () => true } = options;
  const conductor = await createConductorTier({
    db,
    world,
    leaseSeconds: options.leaseSeconds ?? null,
    endpoint: options.endpoint ?? null,
    limits: options.limits,
    dial: options.dial,
    listener: options.listener,
  });
  const served = {
    get ready() {
      return conductor.ready && ready();
    },
  };
  const app = conductorApp(conductor, mountOf("conductor", "conductor", options, world, served));
  for (const [path, tier] of Object.entries(mounts)) mount(app, path, tier);
  return {
    role: "conductor",
    name: "conductor",
    fetch: cachedByRevision((request, env) => app.fetch(request, env), conductor.revision),
    start: conductor.start,
    stop: conductor.stop,
  };
}
