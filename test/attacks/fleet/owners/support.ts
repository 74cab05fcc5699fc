import type { Hello } from "../../../../src/contract/hello.ts";
import { SinewError } from "../../../../src/contract/problem.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { allConductors } from "../../../../src/db/queries/fleet/owners.ts";
import { getNode } from "../../../../src/db/queries/nodes.ts";
import { type Conductor, createConductorTier } from "../../../../src/tiers/conductor/conductor.ts";
import { alone } from "../../../support/callers.ts";
import { virtualWorld } from "../../../support/world.ts";

/** Of leases, and so of conductors: seconds. */
export const TTL = 9;
export const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const OK = { name: "crypto", type: "CRYPTO", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
export const DEVICE = { uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e", source: "crypto" };

export const hello = (more: Partial<Hello> = {}): Hello => ({
  status: "READY",
  endpoint: "127.0.0.1:9",
  node: NODE,
  api: { min: "1.0", max: "1.0" },
  generation: "g1",
  ...more,
});

/** One conductor with a clock, a database connection and a network of its own, as another process has them. */
export interface Member {
  id: string;
  conductor: Conductor;
  db: Database;
  clock: ReturnType<typeof virtualWorld>;
  /** It does not reach its database. */
  away: boolean;
  /** Its database takes nothing more. */
  full: boolean;
  /** What it asks its database at the moment. */
  asking: number;
  /** How often it has asked the agent. */
  pulls: number;
  /** What the agent answers it; null: it is out of reach. */
  answer: ((url: string) => object) | null;
}

export const report = (generation: string, ...hardware: object[]) => ({
  hardware,
  sources: [{ ...OK, count: hardware.length }],
  generation,
});

export async function member(url: string, id: string): Promise<Member> {
  const db = await openDatabase(url);
  const made = {
    id,
    db,
    pulls: 0,
    away: false,
    full: false,
    asking: 0,
    answer: () => report("g1", DEVICE),
  } as unknown as Member;
  made.clock = virtualWorld(async (asked) => {
    made.pulls += 1;
    if (made.answer === null) throw new Error("refused");
    return Response.json(await made.answer(asked));
  });
  const ask = async <T>(what: () => PromiseLike<T>): Promise<T> => {
    if (made.away) throw new SinewError("unavailable", "the database does not answer");
    made.asking += 1;
    try {
      return await what();
    } finally {
      made.asking -= 1;
    }
  };
  const unsteady: Database = {
    ...db,
    write: (work) =>
      made.full ? Promise.reject(new SinewError("unavailable", "the disk is full")) : ask(() => db.write(work)),
    revision: () => ask(() => db.revision()),
    read: {
      ...db.read,
      query: (build) => ask(() => db.read.query(build)),
      run: (text, params) => ask(() => db.read.run(text, params)),
    },
  };
  made.conductor = await createConductorTier({
    ...alone(),
    ...{ db: unsteady, world: made.clock.world, leaseSeconds: TTL, self: { id, name: id } },
  });
  await made.conductor.start();
  return made;
}

/** Time passes at all of them, in small steps, each with the I/O that it sets off. */
export async function pass(members: Member[], seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds * 2; passed += 1) {
    for (const { clock } of members) await clock.advance(500);
    // A database server does not wait for a virtual clock: what a step begins ends before the next one.
    for (let quiet = 0; quiet < 2; quiet += 1) {
      for (const { conductor, db, clock } of members) {
        await conductor.settled();
        await db.write(async () => {});
        await clock.settle();
      }
      if (members.some(({ asking }) => asking > 0)) quiet = -1;
    }
  }
}

/** Time goes on at all of them until it is true. */
export async function becomes(members: Member[], what: () => Promise<boolean>, seconds = 60): Promise<void> {
  for (let passed = 0; passed < seconds * 2 && !(await what()); passed += 1) await pass(members, 0.5);
  if (!(await what())) throw new Error(`not true within ${seconds} s: ${what}`);
}

export const nodeAt = (db: Database) => getNode(db.read, NODE.id);
export const conductorsAt = async (db: Database) => (await allConductors(db.read)).map(({ id }) => id);
