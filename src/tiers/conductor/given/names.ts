import type { Said } from "../../../contract/fleet/given.ts";
import type { Database } from "../../../db/database.ts";
import { type Given, givenSince, toGiven } from "../../../db/queries/fleet/given.ts";
import { getNode } from "../../../db/queries/nodes.ts";
import type { World } from "../../../world.ts";
import type { Tracked } from "../fleet.ts";
import { hasWords } from "./shown.ts";

const LOOK_MS = 1_000;

/** What nodes are called by operators, as this conductor knows: whoever writes looks at it once more. */
export interface Names {
  /** Undefined: what is shown of the node is what it says. */
  of(node: string): (Given & { said: Said }) | undefined;
  /** Notes what was given to a node; null: nothing, or it is forgotten. */
  learn(node: string, given: Given | null): void;
  /** Those of whom anything is shown in the place of what they say. */
  nodes(): Iterable<string>;
  /** Takes in what was given since the last look, at whatever conductor. */
  look(): Promise<void>;
  /** Knows all of it, and goes on looking. */
  start(): Promise<void>;
  stop(): void;
}

export function createNames({
  db,
  world,
  members,
}: {
  db: Database;
  world: Pick<World, "timer" | "log">;
  members: Map<string, Tracked>;
}): Names {
  const known = new Map<string, Given & { said: Said }>();
  let at = -1;
  let stopped = false;
  let cancel = () => {};
  let looking: Promise<void> = Promise.resolve();

  function learn(node: string, given: Given | null) {
    const said = given !== null && hasWords(given) ? given.said : null;
    if (given === null || said === null) known.delete(node);
    else known.set(node, { ...given, said });
  }

  async function read() {
    const rows = await givenSince(db.read, at);
    for (const row of rows) learn(row.id, toGiven(row));
    for (const { id } of rows) await show(id);
    at = rows.at(-1)?.revision ?? at;
  }

  /** Its next hello is compared with what is shown now. */
  async function show(id: string) {
    if (!members.has(id)) return;
    const row = await getNode(db.read, id);
    const tracked = members.get(id);
    // Another object, by which who renews by the same words sees that they have to be looked at.
    if (row && tracked) tracked.row = { ...tracked.row, name: row.name, labels: row.labels };
  }

  function look(): Promise<void> {
    const own = looking.then(read);
    looking = own.catch(() => {});
    return own;
  }

  function next() {
    cancel = world.timer(LOOK_MS, () => {
      look()
        .catch((error) => world.log("error", "what nodes were given could not be read", { error: String(error) }))
        .finally(() => {
          if (!stopped) next();
        });
    });
  }

  return {
    of: (node) => known.get(node),
    learn,
    nodes: () => known.keys(),
    look,
    async start() {
      await look();
      next();
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}
