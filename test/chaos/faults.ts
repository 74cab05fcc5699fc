import type { Random } from "../fuzz/random.ts";
import type { Agent, Conductor, Fleet } from "./fleet.ts";
import { TTL_MS } from "./fleet.ts";
import type { Way } from "./network.ts";
import { canSetClocks, type Program } from "./program.ts";

/** Ends what was done. */
type Mend = () => Promise<void> | void;

/** What is done to one thing, whose name it is scheduled by. */
interface Target {
  name: string;
  /** Whom it may keep from being heard; "all" where it is a conductor or what that needs. */
  disturbs: string | "all";
  /** Nothing of that node is heard meanwhile. */
  silences?: true;
  begin(random: Random): Promise<Mend> | Mend;
}

interface Fault {
  what: string;
  /** Empty where it cannot be done. */
  targets(fleet: Fleet): Target[];
}

const JUMPS = [-86_400, -3_600, -90, 90, 3_600, 86_400];

const killed = (program: Program, signal: "SIGKILL" | "SIGTERM") => async () => {
  await program.stop(signal);
  return () => program.start();
};
const paused = (program: Program) => () => {
  program.pause();
  return () => program.resume();
};
const jumped = (program: Program) => (random: Random) => {
  program.setClock(random.pick(JUMPS));
  return () => program.setClock(0);
};
const failing = (way: Way, how: (way: Way) => void) => () => {
  how(way);
  return () => way.heal();
};
const filled =
  ({ disk }: Pick<Conductor, "disk">) =>
  () => {
    disk.fill();
    return () => disk.free();
  };

const conductors = (fleet: Fleet, begin: (one: Conductor) => Target["begin"]): Target[] =>
  fleet.conductors.map((one) => ({ name: one.asked.name, disturbs: "all", begin: begin(one) }));
const agents = (fleet: Fleet, begin: (one: Agent) => Target["begin"], silences?: true): Target[] =>
  fleet.agents.map((one) => ({ name: one.asked.name, disturbs: one.id, silences, begin: begin(one) }));
const drivers = (fleet: Fleet, begin: (one: Program) => Target["begin"]): Target[] =>
  fleet.agents.flatMap(({ id, drivers }) =>
    drivers.map((one) => ({ name: one.name, disturbs: id, begin: begin(one) })),
  );
const server = ({ postgres }: Fleet, begin: (one: NonNullable<typeof postgres>) => Target["begin"]): Target[] =>
  postgres ? [{ name: "database", disturbs: "all", begin: begin(postgres) }] : [];
/** A conductor's way to its database. */
const lines = (fleet: Fleet, how: (way: Way) => void): Target[] =>
  fleet.conductors.flatMap(({ asked, way }) =>
    way ? [{ name: asked.name, disturbs: "all", begin: failing(way, how) }] : [],
  );
const clocks = (targets: Target[]) => (canSetClocks ? targets : []);

export const FAULTS = {
  "conductor-kill": {
    what: "kill -9 of a conductor",
    targets: (fleet) => conductors(fleet, ({ program }) => killed(program, "SIGKILL")),
  },
  "conductor-restart": {
    what: "a conductor is stopped, and started again",
    targets: (fleet) => conductors(fleet, ({ program }) => killed(program, "SIGTERM")),
  },
  "conductor-pause": {
    what: "SIGSTOP of a conductor",
    targets: (fleet) => conductors(fleet, ({ program }) => paused(program)),
  },
  "conductor-clock": {
    what: "a conductor's wall clock jumps",
    targets: (fleet) =>
      // It is heard all the same, and says what is so.
      clocks(conductors(fleet, ({ program }) => jumped(program)).map((target) => ({ ...target, disturbs: "" }))),
  },
  "conductor-disk": {
    what: "a conductor's disk is full",
    targets: (fleet) => (fleet.conductors.every(({ disk }) => disk.canFill) ? conductors(fleet, filled) : []),
  },
  "agent-kill": {
    what: "kill -9 of an agent",
    targets: (fleet) => agents(fleet, ({ program }) => killed(program, "SIGKILL"), true),
  },
  "agent-leave": {
    what: "an agent is stopped, and started again",
    targets: (fleet) => agents(fleet, ({ program }) => killed(program, "SIGTERM")),
  },
  "agent-pause": {
    what: "SIGSTOP of an agent",
    targets: (fleet) => agents(fleet, ({ program }) => paused(program), true),
  },
  "agent-clock": {
    what: "an agent's wall clock jumps",
    targets: (fleet) =>
      clocks(agents(fleet, ({ program }) => jumped(program)).map((target) => ({ ...target, disturbs: "" }))),
  },
  "agent-disk": {
    what: "an agent's disk is full",
    targets: (fleet) => (fleet.agents.every(({ disk }) => disk.canFill) ? agents(fleet, filled) : []),
  },
  "driver-kill": {
    what: "kill -9 of a driver",
    targets: (fleet) => drivers(fleet, (program) => killed(program, "SIGKILL")),
  },
  "driver-pause": { what: "SIGSTOP of a driver", targets: (fleet) => drivers(fleet, paused) },
  "link-cut": {
    what: "what an agent and its conductor send is lost",
    targets: (fleet) => agents(fleet, ({ way }) => failing(way, (one) => one.cut()), true),
  },
  "link-reset": {
    what: "the connections of an agent are reset",
    targets: (fleet) => agents(fleet, ({ way }) => failing(way, (one) => one.reset()), true),
  },
  "link-slow": {
    what: "an agent's link is slow",
    targets: (fleet) =>
      agents(
        fleet,
        ({ way }) =>
          (random) =>
            failing(way, (one) => one.slow(50 + random.int(400)))(),
      ),
  },
  "caller-silence": {
    what: "an agent that is called back falls silent",
    targets: ({ callers }) =>
      callers.map((caller) => ({
        name: caller.name,
        disturbs: "",
        begin: () => {
          caller.silence();
          return () => caller.speak();
        },
      })),
  },
  "database-kill": {
    what: "kill -9 of PostgreSQL",
    targets: (fleet) =>
      server(fleet, (postgres) => async () => {
        await postgres.stop("SIGKILL");
        return () => postgres.start();
      }),
  },
  "database-restart": {
    what: "PostgreSQL is stopped, and started again",
    targets: (fleet) =>
      server(fleet, (postgres) => async () => {
        await postgres.stop("SIGINT");
        return () => postgres.start();
      }),
  },
  "database-disk": {
    what: "PostgreSQL's disk is full",
    targets: (fleet) =>
      fleet.postgres?.disk.canFill
        ? server(fleet, ({ disk, start }) => () => {
            disk.fill();
            return async () => {
              disk.free();
              await start();
            };
          })
        : [],
  },
  "database-cut": {
    what: "what a conductor and PostgreSQL send is lost",
    targets: (fleet) => lines(fleet, (way) => way.cut()),
  },
  "database-reset": {
    what: "a conductor's connections to PostgreSQL are reset",
    targets: (fleet) => lines(fleet, (way) => way.reset()),
  },
  "database-slow": { what: "a conductor's database is slow", targets: (fleet) => lines(fleet, (way) => way.slow(40)) },
} satisfies Record<string, Fault>;
export type FaultName = keyof typeof FAULTS;

/** One fault of a round: when it begins, and how long it lasts. */
export interface Planned {
  fault: FaultName;
  target: Target;
  afterMs: number;
  forMs: number;
}

/** What one round does, from its random numbers alone; no thing has two faults at once. */
export function planRound(fleet: Fleet, only: readonly FaultName[], random: Random): Planned[] {
  const planned: Planned[] = [];
  const count = 1 + random.int(3);
  for (let tries = 0; planned.length < count && tries < 20; tries += 1) {
    const fault = random.pick(only);
    const targets = FAULTS[fault].targets(fleet);
    if (targets.length === 0) continue;
    const target = random.pick<Target>(targets);
    // Short ones, and some that outlast two leases and what is allowed beside them.
    const forMs = random.chance(40) ? 2 * TTL_MS + 3_000 + random.int(1_500) : 300 + random.int(2 * TTL_MS);
    const taken = planned.some((other) => other.target.name === target.name);
    if (!taken) planned.push({ fault, target, afterMs: random.int(1_500), forMs });
  }
  return planned;
}
