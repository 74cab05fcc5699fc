import type { AuditStore } from "../auth/audit.ts";
import type { TokenStore } from "../auth/token.ts";
import type { Limits } from "../client/wrangle.ts";
import { PROBLEMS } from "../contract/problem.ts";
import { VERSION_HEADER } from "../contract/version.ts";
import type { Database } from "../db/database.ts";
import { appendAudit, listAudit } from "../db/queries/audit.ts";
import { allConductors } from "../db/queries/fleet/owners.ts";
import { databaseTokens } from "../db/queries/tokens.ts";
import { fleetFamilies, measuredDatabase } from "../metrics/fleet.ts";
import { cachedByRevision } from "../routes/cache.ts";
import { repeatedHellos } from "../routes/repeat.ts";
import { conductorApp, GREETERS } from "../routes/tiers.ts";
import { type Conductor, createConductorTier } from "../tiers/conductor/conductor.ts";
import { createRetention } from "../tiers/conductor/retention/retention.ts";
import type { DialOptions } from "../tiers/greeting.ts";
import type { RequestEnv, Tier } from "../tiers/tier.ts";

import { createAccess } from "./access.ts";
import { type AlarmOptions, createAlarmDesk } from "./alarms.ts";
import { meteredWorld, mountOf, type TierOptions, withMounts } from "./mount.ts";

export interface ConductorOptions extends TierOptions, DialOptions {
  /** From `openDatabase`; the caller closes it after `stop()`. */
  db: Database;
  /** This conductor as nodes know it. Default: the database's epoch. */
  id?: string;
  /** Makes a join token of its credential; throws SinewError where nobody could use it. Without it there are none. */
  invite?: (credential: string) => string;
  /** Its place among the conductors of this database. Default: a new one at each start. */
  self?: { id?: string; name?: string; version?: string };
  leaseSeconds?: number | null;
  /** How long what is forgotten is kept. Default: changes and operations a month, resolved alarms and the audit a quarter. */
  keep?: Parameters<typeof createRetention>[2];
  limits?: Partial<Limits>;
  /** When trouble is an alarm, and who is told. Default: nobody. */
  alarms?: AlarmOptions;
  /** Tiers of this process to serve below, by path: `{ "/agent": agent }`. */
  mounts?: Record<string, Tier>;
  /** What /readyz waits for besides its own start. */
  ready?: () => boolean;
}

/** The fleet: wrangles its agents and keeps the database right. */
export async function createConductor(options: ConductorOptions): Promise<Tier> {
  const { mounts = {}, ready = () => true } = options;
  const { metrics, world } = meteredWorld("conductor", options.world);
  const db = measuredDatabase(options.db, metrics, world);
  const tokens: TokenStore = (options.auth !== "open" && options.auth?.tokens) || databaseTokens(db);
  const self = { id: world.uuid(), ...options.self };
  const conductor = await createConductorTier({
    db,
    world,
    id: options.id ?? db.epoch,
    tokens,
    self,
    fetch: (request, env) => app.fetch(request, env),
    onRefused: ({ from, error: { code } }) =>
      access.audit.record({
        ...{ caller: null, address: from, method: "GET", path: `${options.basePath ?? ""}/link`, code },
        ...{ status: PROBLEMS[code][0], request_id: world.uuid() },
      }),
    leaseSeconds: options.leaseSeconds ?? null,
    endpoint: options.endpoint ?? null,
    limits: options.limits,
    dial: options.dial,
    listener: options.listener,
    pass: options.pass,
  });
  const served = {
    get ready() {
      return conductor.ready && ready();
    },
  };
  const access = createAccess(options.auth, world, {
    roles: ["viewer", "operator", "admin", "metrics", "agent"],
    tokens,
    audit: databaseAudit(db),
    ...(options.invite ? { invite: options.invite } : {}),
  });
  const alarms = createAlarmDesk(options.alarms ?? {}, {
    ...{ db, world, dial: options.dial, listener: options.listener, endpoint: options.endpoint ?? null },
    owner: self.id,
    isGone: async (id) => !(await allConductors(db.read)).some((one) => one.id === id && !one.leaving),
  });
  const retention = createRetention(db, world, options.keep);
  fleetFamilies(metrics, { db, world, conductor, alarms });
  const mount = mountOf("conductor", "conductor", options, world, served, access, metrics);
  const app = conductorApp(conductor, alarms, mount, access.desk);
  const { gate } = access;
  const kept = cachedByRevision((request, env) => app.fetch(request, env), {
    revision: conductor.revision,
    gate,
    metrics,
  });
  const greeted = repeatedHellos(kept, { gate, roles: GREETERS, metrics });
  return {
    role: "conductor",
    name: "conductor",
    fetch: withMounts((request, env) => linked(request, env, conductor) ?? greeted(request, env), mounts),
    async start() {
      await conductor.start();
      alarms.start();
      retention.start();
    },
    release: conductor.release,
    async stop() {
      await retention.stop();
      await alarms.stop();
      await conductor.stop();
      await access.audit.flush();
    },
  };
}

/**
 * Takes an agent's link without the app: a whole fleet's may come within seconds, who dials is asked by the link's first
 * messages, and a request for one is read from by nobody else. Null: it is none, or one that the app has to look at.
 */
function linked(request: Request, env: RequestEnv | undefined, { accept }: Pick<Conductor, "accept">): Response | null {
  const { method, url, headers } = request;
  if (method !== "GET" || !url.endsWith("/link") || headers.has(VERSION_HEADER)) return null;
  if (url.indexOf("/", url.indexOf("//") + 2) !== url.length - "/link".length) return null;
  return env?.upgrade?.(accept) ?? null;
}

function databaseAudit(db: Database): AuditStore {
  return {
    append: (entries) => appendAudit(db, entries),
    async page({ limit, page_token }) {
      const before = page_token === undefined ? undefined : Number(page_token);
      const { entries, last } = await listAudit(db, { before, limit });
      // A page that is not full is the last one; a full one may be, and then the next is empty.
      return {
        audit: entries,
        ...(entries.length === limit && last !== null ? { next_page_token: String(last) } : {}),
      };
    },
  };
}
