import type { Database } from "../../../db/database.ts";
import {
  allConductors,
  type ConductorRow,
  enter,
  expel,
  leave,
  renewRun,
  takeNodesOf,
} from "../../../db/queries/fleet/owners.ts";
import { endRequestsOf } from "../../../db/queries/fleet/requests.ts";
import { countNodes } from "../../../db/queries/nodes.ts";
import type { World } from "../../../world.ts";

const LOOK_MS = 1_000;
/** So many leases without the database: most often all conductors are without it, and links that are kept are no storm then. */
const LOST_AFTER = 30;
/** So many without it while there is no other one that could serve instead. */
const ALONE_AFTER = 3;
/** What is said to whoever waits for a conductor that died. */
const DIED = JSON.stringify({
  problem: {
    code: "unavailable",
    detail: "the conductor that had this node has ended; what it had done of this is not known",
  },
});

/** How long a conductor may be silent before the others take its nodes, by the lease that it gives agents. */
export const conductorTtlMs = (leaseSeconds: number | null): number =>
  Math.max(1, Math.min(10, leaseSeconds ?? 10)) * 1000;

/** What a conductor is called, and where it is reached. */
export interface Self {
  id: string;
  name: string;
  endpoint: string | null;
  version: string;
}

/** A conductor among those that serve one database. */
export interface Presence {
  /** This conductor, as nodes' owners are written down. Another one than it began with where somebody else is called so. */
  readonly id: string;
  /** Whether any other one serves this database. */
  readonly shared: boolean;
  /** Whether others must take this one for dead by now: it has not reached the database for as long as its word is good. */
  readonly cutOff: boolean;
  /** Whether it is of use to anyone: it reaches the database. */
  readonly serves: boolean;
  /** Whether that has been so for long enough that its agents are better off elsewhere. */
  readonly lost: boolean;
  isThere(id: string): boolean;
  /** Whether it has been heard of late: between two of its renewals passes a third of its lease. */
  isSilent(id: string): boolean;
  /** How many nodes all of them have, as far as is known: leases follow from it, and are to be the same at each. */
  readonly nodes: number;
  /** Enters, and takes over from those that have left. */
  start(): Promise<void>;
  /** Says that this one leaves. */
  stop(): Promise<void>;
}

export interface PresenceOptions extends Self {
  db: Database;
  world: World;
  ttlMs: number;
  /** A dead conductor's nodes are this one's now. */
  onTaken: (from: string) => Promise<void>;
  /** This one was taken for dead: none of its nodes are its own any more. */
  onExpelled: () => Promise<void>;
}

/** What is known of another one: `at` is when its counter was last seen to change, on this conductor's own clock. */
interface Seen extends ConductorRow {
  at: number;
}

export function createPresence(options: PresenceOptions): Presence {
  const { db, world, ttlMs } = options;
  const others = new Map<string, Seen>();
  let run = { id: options.id, session: world.uuid() };
  let renewedAt = 0;
  let lookedAt = 0;
  let countedAt = Number.NEGATIVE_INFINITY;
  let nodes = 0;
  let failing = false;
  let expelled = false;
  /** Dead ones whose nodes this one has asked for: when no answer came, that may have been done all the same. */
  const taking = new Set<string>();
  let stopped = false;
  let cancel = () => {};

  const rowOf = (): ConductorRow => ({
    ...run,
    renewals: 0,
    ttl_ms: ttlMs,
    leaving: false,
    name: options.name,
    endpoint: options.endpoint,
    version: options.version,
    started_at: world.now().toISOString(),
  });

  async function begin() {
    const at = world.monotonic();
    await db.write(async (tx) => {
      await enter(tx, rowOf());
      await endRequestsOf(tx, run.id, DIED);
    });
    renewedAt = at;
  }

  /** The others have taken this one for dead, or somebody else has come under its name. */
  async function comeBack() {
    const [other] = (await allConductors(db.read)).filter(({ id }) => id === run.id);
    const why = other ? "another conductor has the same id" : "it was silent for too long";
    world.log("warn", `this conductor is no longer known as ${run.id}: ${why}`, { conductor: run.id });
    run = { id: other ? world.uuid() : run.id, session: world.uuid() };
    expelled = true;
    await begin();
  }

  async function renew() {
    // Before it is sent: the others may see it any time after that.
    const at = world.monotonic();
    const kept = await db.write((tx) => renewRun(tx, run));
    if (kept) renewedAt = at;
    else await comeBack();
  }

  async function see() {
    const rows = (await allConductors(db.read)).filter(({ id }) => id !== run.id);
    const time = world.monotonic();
    // Nobody is dead for what went by while this one was suspended, or did not reach the database.
    const blind = time - lookedAt > ttlMs / 2;
    lookedAt = time;
    for (const row of rows) {
      const seen = others.get(row.id);
      const same = seen?.session === row.session && seen.renewals === row.renewals;
      others.set(row.id, { ...row, at: seen && same && !blind ? seen.at : time });
    }
    for (const id of [...others.keys()]) if (!rows.some((row) => row.id === id)) others.delete(id);
    if (others.size > 0 && time - countedAt > ttlMs) {
      nodes = await countNodes(db.read);
      countedAt = time;
    }
  }

  async function look() {
    await see();
    for (const id of [...taking]) if (!others.has(id)) await taken(id);
    for (const other of [...others.values()]) if (isDead(other)) await takeOver(other);
  }

  const isDead = ({ leaving, at, ttl_ms }: Seen) => leaving || world.monotonic() - at > ttl_ms;

  async function takeOver(dead: Seen) {
    const own = run.id;
    taking.add(dead.id);
    const first = await db.write(async (tx) => {
      if (!(await expel(tx, dead))) return false;
      await takeNodesOf(tx, dead.id, own);
      await endRequestsOf(tx, dead.id, DIED);
      return true;
    });
    if (!first) return void taking.delete(dead.id);
    const why = dead.leaving ? "has left" : "is silent";
    world.log("warn", `conductor ${dead.name} ${why}: its nodes are this one's now`, { conductor: dead.id });
    await taken(dead.id);
  }

  async function taken(id: string) {
    others.delete(id);
    await options.onTaken(id);
    taking.delete(id);
  }

  async function tick() {
    try {
      // In this order: after a pause of its own this one must first learn whether it is still one.
      if (world.monotonic() - renewedAt >= ttlMs / 3)
        await renew().catch(async (error) => {
          // Whoever cannot write has to know all the more whether another one can.
          await see();
          throw error;
        });
      if (expelled) await options.onExpelled();
      expelled = false;
      await look();
      failing = false;
    } catch (error) {
      if (!failing) world.log("error", "the conductors could not be looked at", { error: String(error) });
      failing = true;
    }
    if (!stopped) cancel = world.timer(Math.min(LOOK_MS, ttlMs / 6), () => void tick());
  }

  return {
    get id() {
      return run.id;
    },
    get shared() {
      return others.size > 0;
    },
    get cutOff() {
      return others.size > 0 && world.monotonic() - renewedAt > ttlMs;
    },
    get serves() {
      return world.monotonic() - renewedAt <= (others.size > 0 ? 1 : ALONE_AFTER) * ttlMs;
    },
    isSilent(id) {
      const other = others.get(id);
      return other !== undefined && world.monotonic() - other.at > other.ttl_ms / 2;
    },
    get nodes() {
      return nodes;
    },
    get lost() {
      return others.size > 0 && world.monotonic() - renewedAt > LOST_AFTER * ttlMs;
    },
    isThere: (id) => id === run.id || others.has(id),
    async start() {
      await begin();
      await look();
      cancel = world.timer(Math.min(LOOK_MS, ttlMs / 6), () => void tick());
    },
    async stop() {
      stopped = true;
      cancel();
      await db
        .write((tx) => leave(tx, run))
        .catch((error) => {
          world.log("warn", "the other conductors have to find out that this one has left", { error: String(error) });
        });
    },
  };
}
