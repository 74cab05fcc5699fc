// `bun bench/fleet/inside.ts OPTIONS`: the measurement itself, in a network namespace of its own, where agents have addresses
// of their own. Prints JSON rows on stdout, progress on stderr. OPTIONS is JSON (see Options).
import { cleanUp, scratch } from "../processes.ts";
import { output } from "../programs.ts";
import { killConductors } from "./conductor.ts";
import type { Options } from "./fleet.ts";
import { hello } from "./hello.ts";
import { pair } from "./pair.ts";
import { rowsOf } from "./rows.ts";
import { type Measured, scenario } from "./scenario.ts";

const options: Options = JSON.parse(process.argv[2] ?? "{}");
const say = (text: string) => console.error(`  ${text}`);

/** Loopback up, and a route of its own to each of 127.1.x.y, from which the answer comes: what dials one dials from it. */
async function addresses(count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, at) => {
    const address = `127.1.${Math.floor(at / 250)}.${(at % 250) + 1}`;
    return `route replace local ${address}/32 dev lo src ${address} table local`;
  });
  await output(["ip", "link", "set", "lo", "up"]);
  const file = `${scratch()}/routes`;
  await Bun.write(file, `${lines.join("\n")}\n`);
  await output(["ip", "-batch", file]);
}

/** A database of its own on a server that ends with this process. */
async function newDatabase(kind: "sqlite" | "postgres"): Promise<string> {
  if (kind === "sqlite") return `sqlite:${scratch()}/fleet.sqlite`;
  const { postgresServer } = await import("../../test/support/postgres.ts");
  const url = await postgresServer();
  const { default: postgres } = await import("postgres");
  const name = `fleet_${Math.random().toString(36).slice(2)}`;
  const sql = postgres(`${url}/postgres`, { max: 1 });
  await sql.unsafe(`CREATE DATABASE ${name}`);
  await sql.end();
  return `${url}/${name}`;
}

try {
  await addresses(500);
  const rows = await hello(options.agents, say);
  for (const db of options.db) {
    const measured: Measured[] = [];
    for (const agents of [Math.max(1, Math.round(options.agents / 10)), options.agents]) {
      say(`${db}, ${agents} agents`);
      measured.push(await scenario(await newDatabase(db), agents, say));
    }
    rows.push(...rowsOf(db, measured));
  }
  if (options.db.includes("postgres")) rows.push(...(await pair(await newDatabase("postgres"), options.agents, say)));
  console.log(JSON.stringify(rows));
} finally {
  await killConductors();
  await cleanUp();
}
process.exit(0);
