import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatJoinToken, parseJoinToken } from "../../src/auth/join-token.ts";
import { freePort } from "../support/ports.ts";
import { Acknowledged } from "../truth/acknowledged.ts";
import { Liveness } from "../truth/liveness.ts";
import { type Asked, ask } from "./ask.ts";
import { makeCaller } from "./caller.ts";
import { type Host, KINDS, makeHost } from "./host.ts";
import { openWay, type Way } from "./network.ts";
import type { DatabaseName } from "./options.ts";
import { type Disk, makeDisk } from "./place.ts";
import { makePostgres } from "./postgres.ts";
import { type Diary, makeProgram, type Program } from "./program.ts";

/** Short, so that a minute has many of them. */
export const TTL_MS = 2_000;
/** How much later than two leases a LOST may be: what a tick, a write and a look take, on a machine that is busy. */
const SLACK_MS = 3_000;
/** What it may take to write a LOST that was decided on: who was heard meanwhile is LIVE again right after. */
export const DECISION_MS = 1_000;
const CALLERS = 2;

export interface Conductor {
  asked: Asked;
  program: Program;
  disk: Disk;
  /** Between it and its database, where that is elsewhere. */
  way: Way | null;
}

export interface Agent {
  id: string;
  asked: Asked;
  program: Program;
  /** Processes of their own beside it. */
  drivers: Program[];
  disk: Disk;
  host: Host;
  way: Way;
}

export type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** Conductors, agents that joined through ways of their own, drivers, and callers. */
export async function startFleet(options: {
  home: string;
  database: DatabaseName;
  conductors: number;
  agents: number;
  diary: Diary;
}) {
  const { home, database, diary } = options;
  const logs = join(home, "logs");
  mkdirSync(logs, { recursive: true });
  const postgres = database === "postgres" ? await makePostgres(home, join(logs, "postgres.log")) : null;
  const liveness = new Liveness({ decisionMs: DECISION_MS, slackMs: SLACK_MS });
  const acknowledged = new Acknowledged();
  const lease = ["--lease", String(TTL_MS / 1000)];

  async function startConductor(name: string): Promise<Conductor> {
    const disk = makeDisk(join(home, name), 48);
    const port = freePort();
    const way = postgres && (await openWay(postgres.port));
    const db = postgres && way ? postgres.urlAt(way.port) : `sqlite:${join(disk.path, "conductor.sqlite")}`;
    const at = ["--role", "conductor", "--state", disk.path, "--tls", "--listen", `127.0.0.1:${port}`, "--db", db];
    const program = makeProgram({ name, folder: logs, diary, args: [...at, ...lease, "--alarm-hold", "1"] });
    await program.start();
    return { asked: { name, url: `https://127.0.0.1:${port}`, state: disk.path }, program, disk, way };
  }

  async function startAgent(name: string, { asked: above }: Conductor, apart: boolean): Promise<Agent> {
    const disk = makeDisk(join(home, name), 8);
    const [port, way] = [freePort(), await openWay(Number(new URL(above.url).port))];
    const id = crypto.randomUUID();
    const host = makeHost(id);
    const made = await ask<{ join: string }>(above, "/tokens", { body: { role: "agent", bound_to: id }, ms: 10_000 });
    const token = { ...parseJoinToken(made.join), url: `https://127.0.0.1:${way.port}` };
    writeFileSync(join(disk.path, "join"), formatJoinToken(token), { mode: 0o600 });
    const own = [
      "--state",
      disk.path,
      "--sysfs",
      host.sysfs,
      "--node",
      name,
      "--node-id",
      id,
      "--health-interval",
      "2",
    ];
    const beside = apart ? ["crypto"] : [];
    const drivers = KINDS.filter((kind) => !beside.includes(kind)).join(",");
    const program = makeProgram({
      ...{ name, folder: logs, diary },
      // A service keeps the flag.
      args: [
        ...["--role", "agent", "--listen", `127.0.0.1:${port}`, "--drivers", drivers, ...own],
        ...["--join", `@${join(disk.path, "join")}`, "--lease", String(TTL_MS / 1000)],
      ],
    });
    await program.start();
    acknowledged.acknowledge(`node ${id}`, performance.now());
    const asked = { name, url: `http://127.0.0.1:${port}`, state: disk.path };
    const agent: Agent = { id, asked, program, drivers: [], disk, host, way };
    for (const kind of beside) {
      const args = ["--role", "driver", "--driver", kind, "--agent", asked.url, "--listen", `127.0.0.1:${freePort()}`];
      const driver = makeProgram({ name: `${name}-${kind}`, folder: logs, diary, args: [...args, ...own] });
      agent.drivers.push(driver);
      await driver.start();
    }
    return agent;
  }

  const conductors = await Promise.all(Array.from({ length: options.conductors }, (_, n) => startConductor(`c${n}`)));
  const agents = await Promise.all(
    Array.from({ length: options.agents }, (_, n) => {
      const above = conductors[n % conductors.length] as Conductor; // there is one at least
      return startAgent(`a${n}`, above, n % 3 === 0);
    }),
  );
  const asked = conductors.map((conductor) => conductor.asked);
  const addCaller = (name: string) => makeCaller(name, { conductors: asked, ttlMs: TTL_MS, liveness, acknowledged });
  const callers = Array.from({ length: CALLERS }, (_, n) => addCaller(`h${n}`));

  return {
    database,
    postgres,
    conductors,
    agents,
    callers,
    liveness,
    acknowledged,
    diary,
    logs,
    /** One more registers, in the middle of whatever there is. */
    addCaller: () => callers.push(addCaller(`h${callers.length}`)),
    programs: () => [
      ...conductors.map((one) => one.program),
      ...agents.flatMap((one) => [one.program, ...one.drivers]),
    ],
    known: () => new Set([...agents.flatMap(({ host }) => host.known), ...callers.flatMap(({ known }) => [...known])]),
    async close() {
      await Promise.all(callers.map((caller) => caller.stop()));
      await Promise.all(this.programs().map((program) => program.stop("SIGKILL")));
      await postgres?.close();
      for (const { way, disk } of [...conductors, ...agents]) {
        way?.close();
        disk.close();
      }
      for (const { host } of agents) host.close();
    },
  };
}
