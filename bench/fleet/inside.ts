// `bun bench/fleet/inside.ts OPTIONS`: the measurement itself, in a network namespace of its own, where agents have addresses
// of their own. Prints JSON rows on stdout, progress on stderr. OPTIONS is JSON (see Options).
import { excerpt, type Row, row } from "../measure.ts";
import { cleanUp, scratch } from "../processes.ts";
import { output } from "../programs.ts";
import { killConductors } from "./conductor.ts";
import type { Options } from "./fleet.ts";
import { hello } from "./hello.ts";
import { pair } from "./pair.ts";
import { rowsOf } from "./rows.ts";
import { AGENTS_AN_ADDRESS, type Measured, scenario } from "./scenario.ts";

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

/** Rows of one part; one that could not be measured says why, and the others are measured all the same. */
async function part(what: string, measure: () => Promise<Row[]>): Promise<Row[]> {
  try {
    return await measure();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    say(`${what}: ${why}`);
    await killConductors();
    return [row({ what, unit: "", note: `not measured: ${excerpt(why)}` })];
  }
}

async function ofDatabase(db: Options["db"][number]): Promise<Row[]> {
  const measured: Measured[] = [];
  const failed: Row[] = [];
  for (const agents of [Math.max(1, Math.round(options.agents / 10)), options.agents]) {
    const what = `${db}, ${agents} agents`;
    say(what);
    const one = async () => {
      measured.push(await scenario(await newDatabase(db), agents, say));
      return [];
    };
    failed.push(...(await part(what, one)));
  }
  return [...rowsOf(db, measured), ...failed];
}

try {
  await addresses(Math.ceil(options.agents / AGENTS_AN_ADDRESS));
  const rows = await part("hellos over HTTP", () => hello(options.agents, say));
  for (const db of options.db) rows.push(...(await ofDatabase(db)));
  if (options.db.includes("postgres"))
    rows.push(
      ...(await part("postgres, two conductors", async () => pair(await newDatabase("postgres"), options.agents, say))),
    );
  console.log(JSON.stringify(rows));
} finally {
  await killConductors();
  await cleanUp();
}
process.exit(0);
