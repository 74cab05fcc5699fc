/** A bug that the simulation has to find: where it is made, and how little it takes to find it. */
export interface Mutation {
  file: string;
  /** Stands there once. */
  from: string;
  to: string;
  /** What may go wrong meanwhile, for `--faults`. */
  faults: string;
  /** In the sentence that says so. */
  found: string;
}

export const MUTATIONS: Record<string, Mutation> = {
  "expiry does not look whether it was the conductor that stood still": {
    file: "src/tiers/conductor/members/silence.ts",
    from: "if (paused) for (const tracked of members.values())",
    to: "if (paused) for (const tracked of [])",
    faults: "conductor paused",
    found: "became LOST at revision",
  },
  "expiry takes half as long again": {
    file: "src/tiers/conductor/members/silence.ts",
    from: "silent > 2 * ttl",
    to: "silent > 3 * ttl",
    faults: "agent killed,agent paused",
    found: "it should have been LOST by",
  },
  "the feed's revision is looked up after its rows": {
    file: "src/tiers/conductor/reads.ts",
    from: "revision: Math.max(newest, ...rows",
    to: "revision: Math.max(await db.revision(), ...rows",
    faults: "hardware,conductor disk,agent killed",
    found: "and missed",
  },
  "a node that was LOST is not asked for all that it has": {
    file: "src/tiers/conductor/members/roster.ts",
    from: "if (stale) tracked.etag = null;",
    to: "",
    faults: "partition,agent paused",
    found: "after quiet",
  },
  "a link's silence is counted anew by each call": {
    file: "src/client/link/link.ts",
    from: "this.world.monotonic() - Math.max(0, this.#idleSince - this.#quietSince)",
    to: "this.world.monotonic()",
    faults: "links",
    found: "after quiet",
  },
};
