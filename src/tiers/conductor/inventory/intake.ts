import { SinewError } from "../../../contract/problem.ts";
import type { Database } from "../../../db/database.ts";
import { sleep, type World } from "../../../world.ts";
import { type Breathe, type Taken, type Taking, writeReports } from "./report.ts";

/** What shares a transaction: a commit waits for the disk, and a group of this size keeps nobody else waiting for long. */
const REPORTS_AT_ONCE = 64;
const DEVICES_AT_ONCE = 256;
/** On SQLite writers take turns anyway; PostgreSQL works on several while each waits for the network. */
const LANES = { sqlite: 1, postgres: 4 };
/** After so long in one turn of the event loop those are answered who came meanwhile. */
const SLICE_MS = 8;

interface Waiting {
  taking: Taking;
  resolve: (taken: Taken) => void;
  reject: (error: unknown) => void;
}

/** Reports on their way into the database. */
export interface Intake {
  /** Those that wait: who asks for more than can be written only fills the memory. */
  readonly waiting: number;
  /** Takes a report in; those that wait at the same time share a transaction. Each one's fault is its own. */
  take(taking: Taking): Promise<Taken>;
}

export function createIntake(db: Database, world: Pick<World, "timer" | "monotonic">): Intake {
  let waiting: Waiting[] = [];
  let running = 0;
  const underWay = new Set<string>();

  function breather(): Breathe | undefined {
    // Another turn of the event loop comes with each answer of a server; SQLite's are there at once.
    if (db.dialect === "postgres") return undefined;
    let since = world.monotonic();
    return async () => {
      if (world.monotonic() - since < SLICE_MS) return;
      await sleep(world, 0);
      since = world.monotonic();
    };
  }

  /** The next ones, each of another node and of none that is under way. */
  function nextGroup(): Waiting[] {
    const group: Waiting[] = [];
    const left: Waiting[] = [];
    let devices = 0;
    let seen = 0;
    for (const one of waiting) {
      const { node, report } = one.taking;
      const size = report.items.length;
      if (group.length >= REPORTS_AT_ONCE || (group.length > 0 && devices + size > DEVICES_AT_ONCE)) break;
      seen += 1;
      if (underWay.has(node.id)) {
        left.push(one);
        continue;
      }
      underWay.add(node.id);
      devices += size;
      group.push(one);
    }
    waiting = [...left, ...waiting.slice(seen)];
    return group;
  }

  async function write(group: Waiting[]) {
    try {
      const taken = await writeReports(
        db,
        group.map(({ taking }) => taking),
        breather(),
      );
      for (const [index, { resolve }] of group.entries()) resolve(taken[index] ?? null);
    } catch (error) {
      const nobodys = error instanceof SinewError && error.code === "unavailable";
      // Whose fault it is shows when each is alone.
      if (group.length > 1 && !nobodys) for (const one of group) await write([one]);
      else for (const { reject } of group) reject(error);
    }
  }

  async function run() {
    running += 1;
    // What comes in the same turn goes into the same transaction.
    await Promise.resolve();
    for (let group = nextGroup(); group.length > 0; group = nextGroup()) {
      await write(group);
      for (const { taking } of group) underWay.delete(taking.node.id);
      // Between two transactions those are answered who came meanwhile.
      if (waiting.length > 0) await sleep(world, 0);
    }
    running -= 1;
  }

  return {
    get waiting() {
      return waiting.length;
    },
    take: (taking) =>
      new Promise((resolve, reject) => {
        waiting.push({ taking, resolve, reject });
        if (running < LANES[db.dialect]) void run();
      }),
  };
}
